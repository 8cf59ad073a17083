// Wires the page: feeds in, pictures out, keys and buttons. Draws at most four times a second, and only what is seen.

import { bars, lines } from "./charts.js";
import { drawCredentials } from "./credentials.js";
import { at, make, setText } from "./dom.js";
import { drawDetail, drawExchanges } from "./exchanges.js";
import { Refused, call, follow } from "./feed.js";
import { BUCKET_MS, applyCredential, applyExchange, duration, emptyModel, grouped, removeCredential, series, summary } from "./model.js";
import { WATCH_EXCHANGES, readCredential, readDetail, readExchangeMessage } from "./wire.js";

const DRAW_MS = 250;
const CHART_MS = 1000;
const model = emptyModel();
const page = { paused: false, detail: null, stops: [], settings: {}, dirty: true, charted: 0 };

// The key stays in this tab.
const key = {
  get: () => sessionStorage.getItem("w2a-key") ?? "",
  set: (value) => (value ? sessionStorage.setItem("w2a-key", value) : sessionStorage.removeItem("w2a-key")),
};
const headers = () => (key.get() ? { "x-admin-key": key.get() } : {});

function connect() {
  page.stops.forEach((stop) => stop());
  page.stops = [
    follow(WATCH_EXCHANGES, headers, {
      message: (message) => {
        if (page.paused) return;
        const { exchange, dropped } = readExchangeMessage(message);
        if (exchange) applyExchange(model, exchange);
        if (dropped) model.dropped += dropped;
        page.dirty = true;
      },
      state: (state, words) => showConnection(state, words),
    }),
    follow("v1/credentials:watch", headers, {
      message: (message) => {
        const { credential, removed } = readCredential(message);
        if (credential) applyCredential(model, credential);
        if (removed) removeCredential(model, removed);
        page.dirty = true;
      },
      state: (state, words) => state === "refused" && notice(words),
    }),
  ];
}

function showConnection(state, words) {
  const pill = at("connection");
  pill.dataset.state = state === "refused" ? "lost" : state;
  setText(pill, { live: page.paused ? "paused" : "live", wait: "connecting", lost: "connection lost, trying again", refused: "refused" }[state]);
  pill.title = words;
  if (state === "live") notice("");
  if (state === "refused") {
    notice(`${words}`);
    openKey();
  }
}

function notice(words) {
  at("notice").hidden = !words;
  setText(at("notice"), words);
}

function draw() {
  const now = Date.now();
  if (document.hidden) return;
  const running = [...model.exchanges.values()].some((exchange) => exchange.state === "running");
  const waits = [...model.credentials.values()].some((credential) => credential.recoveryTime > now);
  if (page.dirty || running) drawExchanges(model, now, at("show").value, at("find").value, openDetail);
  if (page.dirty || waits) drawCredentials(model, now, act);
  if (now - page.charted >= CHART_MS) drawNumbers(now);
  if (page.dirty && page.detail) refreshDetail(now);
  page.dirty = false;
}

function redraw() {
  page.dirty = true;
  page.charted = 0;
}

function drawNumbers(now) {
  page.charted = now;
  const numbers = summary(model, now);
  const tiles = [
    ["In flight", `${numbers.running}`, ""],
    ["Exchanges per minute", numbers.perMinute.toFixed(1), ""],
    ["Failed", numbers.failedShare == null ? "–" : `${(numbers.failedShare * 100).toFixed(1)}`, numbers.failedShare == null ? "" : " %"],
    ["First event, p50", duration(numbers.p50), ""],
    ["First event, p95", duration(numbers.p95), ""],
    ["Tokens per second", numbers.tokensPerSecond.toFixed(1), ""],
  ];
  at("tiles").replaceChildren(...tiles.map(([name, value, unit]) => make("div", {}, make("dt", {}, name), make("dd", {}, value, unit && make("small", {}, unit)))));
  const points = series(model, now);
  lines(at("latency"), points, ["p99", "p95", "p50"], duration, `Time to the first event over the last half hour; p50 of the last five minutes ${duration(numbers.p50)}, p95 ${duration(numbers.p95)}`);
  const minutes = grouped(points, 60_000 / BUCKET_MS);
  bars(at("traffic"), minutes, [{ key: "answered", name: "good" }, { key: "cancelled", name: "left" }, { key: "failed", name: "bad" }],
    (value) => String(Math.round(value * 10) / 10), `Exchanges a minute over the last half hour; now ${numbers.perMinute.toFixed(1)}`);
  lines(at("rate"), minutes.map((minute) => ({ ...minute, area: minute.tokens / 60 })), ["area"], (value) => String(Math.round(value * 10) / 10),
    `Output tokens a second over the last half hour; now ${numbers.tokensPerSecond.toFixed(1)}`);
  setText(at("rate-note"), model.dropped ? `${model.dropped} messages missed` : "as the upstream reports them");
  const upstream = at("upstream");
  setText(upstream, model.upstream ? `upstream: ${model.upstream}` : "upstream unknown");
  upstream.dataset.state = model.upstream === "embedded" ? "embedded" : "";
}

// An exchange in detail: its facts live, its decoded events as they stand when it was opened and when it ends.
async function openDetail(id) {
  page.detail = { id, events: { list: [], note: "reading" } };
  refreshDetail(Date.now());
  at("detail").showModal();
  await readEvents(id);
}

async function readEvents(id) {
  try {
    const events = readDetail(await call("GET", `v1/exchanges/${encodeURIComponent(id)}`, headers()));
    if (page.detail?.id === id) page.detail = { id, events, ended: events.exchange.state !== "running" };
    applyExchange(model, events.exchange);
  } catch (error) {
    if (page.detail?.id === id) page.detail.events = { list: [], note: error.message };
  }
  page.dirty = true;
}

function refreshDetail(now) {
  const exchange = model.exchanges.get(page.detail.id);
  if (!exchange) return;
  if (exchange.state !== "running" && page.detail.ended === false) {
    page.detail.ended = true;
    readEvents(page.detail.id);
  }
  setText(at("detail-title"), `Exchange ${page.detail.id}`);
  drawDetail(exchange, page.detail.events, page.settings.traceUrl, now);
}

async function act(action, name) {
  const known = model.credentials.get(name);
  if (action.sure && !(await sure(`${action.word} ${known?.displayName || name}?`, action.about))) return;
  try {
    const answer = await call("POST", `v1/${name}:${action.verb}`, headers(), {});
    notice("");
    const { credential, problem } = readCredential(answer);
    if (credential) applyCredential(model, credential);
    if (problem) notice(`${known?.displayName || name}: ${problem}`);
  } catch (error) {
    notice(`${action.word} did not work: ${error.message}`);
    if (error instanceof Refused && [401, 403].includes(error.status)) openKey();
  }
  page.dirty = true;
}

function sure(question, about) {
  const dialog = at("confirm");
  setText(at("confirm-title"), question);
  setText(at("confirm-text"), about);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

function openKey() {
  if (document.querySelector("dialog[open]")) return;
  at("key-value").value = key.get();
  at("key-dialog").showModal();
}

function useKey(value) {
  key.set(value.trim());
  at("key-dialog").close();
  notice("");
  connect();
}

function pause() {
  page.paused = !page.paused;
  at("pause").setAttribute("aria-pressed", String(page.paused));
  setText(at("pause"), page.paused ? "Go on" : "Pause");
  // Going on begins with how things stand now.
  if (page.paused) showConnection("live", "paused");
  else connect();
}

const THEMES = ["auto", "light", "dark"];
function theme(next) {
  localStorage.setItem("w2a-theme", next);
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  setText(at("theme"), `Theme: ${next}`);
}
const nextTheme = () => theme(THEMES[(THEMES.indexOf(localStorage.getItem("w2a-theme") ?? "auto") + 1) % 3]);

function listen() {
  at("pause").addEventListener("click", pause);
  at("key").addEventListener("click", openKey);
  at("theme").addEventListener("click", nextTheme);
  at("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(at("key-value").value);
  });
  at("key-forget").addEventListener("click", () => useKey(""));
  at("detail").addEventListener("close", () => (page.detail = null));
  for (const id of ["show", "find"]) at(id).addEventListener("input", () => (page.dirty = true));
  for (const event of ["visibilitychange", "resize"]) (event === "resize" ? window : document).addEventListener(event, redraw);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    const shortcut = { p: pause, k: openKey, t: nextTheme, "/": () => at("find").focus() }[event.key];
    if (shortcut) {
      event.preventDefault();
      shortcut();
    }
  });
}

async function start() {
  const chosen = localStorage.getItem("w2a-theme");
  theme(THEMES.includes(chosen) ? chosen : "auto");
  listen();
  setInterval(draw, DRAW_MS);
  draw();
  try {
    page.settings = await call("GET", "ui/settings.json", {});
    model.upstream ||= page.settings.upstream ?? "";
  } catch {
    // The page works without a link to traces.
  }
  connect();
}

start();
