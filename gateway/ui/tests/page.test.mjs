// The pure parts of the page, run by `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { roundUp } from "../assets/charts.js";
import { frames } from "../assets/feed.js";
import { BUCKETS, BUCKET_MS, KEPT, applyExchange, duration, emptyModel, percentile, rows, series, summary, timing } from "../assets/model.js";
import { milliseconds, readCredential, readExchangeMessage } from "../assets/wire.js";

const NOW = 1_800_000_000_000;
const ended = (id, more = {}) => ({ id, state: "answered", startTime: NOW - 2000, endTime: NOW, firstEventMs: 500, totalMs: 2000, outputTokens: 30, ...more });

test("ten thousand exchanges leave a bounded page and right numbers", () => {
  const model = emptyModel();
  for (let index = 0; index < 10_000; index += 1) {
    applyExchange(model, ended(`e${index}`, { endTime: NOW - (index % 100) * BUCKET_MS, state: index % 10 ? "answered" : "failed" }));
  }
  assert.equal(model.seen, 10_000);
  assert.equal(model.exchanges.size, KEPT);
  assert.ok(model.buckets.length <= BUCKETS);
  assert.equal(series(model, NOW).length, BUCKETS);
  assert.equal(rows(model, "all", "").length, 100);
});

test("an exchange is counted once and does not come back to life", () => {
  const model = emptyModel();
  applyExchange(model, { id: "a", state: "running", startTime: NOW });
  for (let times = 0; times < 3; times += 1) applyExchange(model, ended("a"));
  applyExchange(model, { id: "a", state: "running" });
  assert.equal(model.exchanges.get("a").state, "answered");
  const point = series(model, NOW).at(-1);
  assert.deepEqual([point.answered, point.tokens, point.p50], [1, 30, 500]);
});

test("those that run are kept however many there are, and those without a beginning are not shown", () => {
  const model = emptyModel();
  for (let index = 0; index < KEPT * 2; index += 1) applyExchange(model, { id: `r${index}`, state: "running", startTime: NOW });
  applyExchange(model, { id: "late", state: "running", events: 3 });
  assert.equal(model.exchanges.size, KEPT * 2);
  assert.equal(summary(model, NOW).running, KEPT * 2);
});

test("rows are found by any word, in any case", () => {
  const model = emptyModel();
  applyExchange(model, ended("a", { model: "gpt-5", credential: "Work" }));
  applyExchange(model, ended("b", { model: "auto", credential: "home", state: "failed", reason: "UPSTREAM_TIMEOUT" }));
  const found = (show, text) => rows(model, show, text).map(({ id }) => id);
  assert.deepEqual(found("all", ""), ["b", "a"]);
  assert.deepEqual(found("all", "work GPT"), ["a"]);
  assert.deepEqual(found("failed", "timeout"), ["b"]);
  assert.deepEqual(found("running", ""), []);
});

test("the parts of a bar add up to the whole", () => {
  const parts = timing(ended("a", { queueMs: 100, leaseMs: 20, retryMs: 300, firstEventMs: 400 }), NOW);
  assert.deepEqual(parts, { queue: 100, lease: 20, retry: 300, first: 400, stream: 1180, total: 2000 });
  const running = timing({ startTime: NOW - 700, queueMs: 200 }, NOW);
  assert.deepEqual([running.first, running.stream, running.total], [500, 0, 700]);
});

test("percentiles, times and axes are as people expect", () => {
  assert.equal(percentile([], 0.5), null);
  assert.equal(percentile([1, 2, 3, 4], 0.5), 2);
  assert.equal(percentile([1, 2, 3, 4], 0.99), 4);
  for (const [ms, words] of [[null, "–"], [0.2, "<1 ms"], [999, "999 ms"], [1500, "1.50 s"], [61_000, "1 min 1 s"], [7_200_000, "2 h 0 min"], [864_000_000, "10 d 0 h"]]) {
    assert.equal(duration(ms), words);
  }
  for (const [value, top] of [[0, 1], [0.3, 0.5], [1, 1], [11, 20], [999, 1000], [1000, 1000]]) assert.equal(roundUp(value), top);
});

test("events are read whatever the reads cut them into", () => {
  const text = ': hello\n\ndata: {"a":1}\r\n\r\nevent: x\ndata:{"b":\ndata: 2}\n\n: ping\n\ndata: tail';
  const whole = frames()(text);
  assert.deepEqual(whole, ['{"a":1}', '{"b":\n2}']);
  for (let size = 1; size < 9; size += 1) {
    const read = frames();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...read(text.slice(at, at + size)));
    // A CR and its LF may come apart; the data is the same.
    assert.deepEqual(found, whole, `${size}`);
  }
});

test("messages of the contract are read, and unknown ones passed over", () => {
  assert.equal(milliseconds("1.5s"), 1500);
  assert.equal(milliseconds(undefined), undefined);
  assert.deepEqual(readExchangeMessage({ heartbeat: { liveCount: 2 } }), {});
  assert.deepEqual(readExchangeMessage({ lagged: { droppedCount: "7" } }), { dropped: 7 });
  const { exchange } = readExchangeMessage({
    exchangeFinished: { exchange: { name: "exchanges/9", state: "EXCHANGE_STATE_FAILED", errorReason: "UPSTREAM_TIMEOUT", startTime: "2026-01-01T00:00:00Z", timings: { totalDuration: "2s", queueDuration: "0.5s" } } },
  });
  assert.deepEqual([exchange.id, exchange.state, exchange.reason, exchange.totalMs, exchange.queueMs], ["9", "failed", "UPSTREAM_TIMEOUT", 2000, 500]);
  const { credential } = readCredential({ changed: { name: "credentials/a", state: "CREDENTIAL_STATE_COOLING_DOWN", tier: "CREDENTIAL_TIER_SHARED", grantedCount: "5" } });
  assert.deepEqual([credential.state, credential.tier, credential.granted], ["COOLING_DOWN", "SHARED", 5]);
  assert.equal(readCredential({ removed: "credentials/a" }).removed, "credentials/a");
  assert.deepEqual(readCredential({ heartbeat: {} }), { credential: undefined, removed: undefined, problem: undefined });
  assert.equal(readCredential({ name: "credentials/b", state: "CREDENTIAL_STATE_DISABLED" }).credential.state, "DISABLED");
  const checked = readCredential({ credential: { name: "credentials/c" }, finding: "CREDENTIAL_FINDING_DEAD", detail: "sign in again" });
  assert.deepEqual([checked.credential.name, checked.problem], ["credentials/c", "sign in again"]);
});
