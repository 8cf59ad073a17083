// What the page knows, and how it learns: pure functions over plain objects. No clock, no document, no network, so
// that `node --test` can hold it. Everything kept has a bound: the page may stay open for weeks.

export const KEPT = 400;
export const BUCKET_MS = 30_000;
export const BUCKETS = 60;
const SAMPLES = 1000;

export function emptyModel() {
  return { exchanges: new Map(), buckets: [], credentials: new Map(), upstream: "", dropped: 0, seen: 0 };
}

// Takes in an exchange as it stands now. A finished one is counted once, however often it is told.
export function applyExchange(model, exchange) {
  const known = model.exchanges.get(exchange.id);
  if (exchange.upstream) model.upstream = exchange.upstream;
  if (known && known.state !== "running" && exchange.state === "running") return;
  if (!known) model.seen += 1;
  if (exchange.state !== "running" && exchange.startTime !== undefined && (!known || known.state === "running")) count(model, exchange);
  // News of an exchange whose beginning was missed says too little to show.
  if (!known && exchange.startTime === undefined) return;
  model.exchanges.set(exchange.id, { ...known, ...exchange });
  trim(model);
}

export function applyCredential(model, credential) {
  model.credentials.set(credential.name, credential);
}

export function removeCredential(model, name) {
  model.credentials.delete(name);
}

// The oldest finished ones go first; those that run stay, as many as there are.
function trim(model) {
  if (model.exchanges.size <= KEPT) return;
  for (const [id, exchange] of model.exchanges) {
    if (model.exchanges.size <= KEPT) return;
    if (exchange.state !== "running") model.exchanges.delete(id);
  }
}

function bucketAt(model, time) {
  const start = Math.floor(time / BUCKET_MS) * BUCKET_MS;
  const last = model.buckets.at(-1);
  let found = last?.start === start ? last : model.buckets.find((bucket) => bucket.start === start);
  if (!found) {
    if (model.buckets.length >= BUCKETS && start < model.buckets[0].start) return null;
    found = { start, answered: 0, cancelled: 0, failed: 0, tokens: 0, first: [] };
    model.buckets.push(found);
    model.buckets.sort((a, b) => a.start - b.start);
    if (model.buckets.length > BUCKETS) model.buckets.shift();
  }
  return found;
}

function count(model, exchange) {
  const bucket = bucketAt(model, exchange.endTime ?? exchange.startTime);
  if (!bucket) return;
  bucket[exchange.state] += 1;
  bucket.tokens += exchange.outputTokens ?? 0;
  if (exchange.firstEventMs != null && bucket.first.length < SAMPLES) bucket.first.push(firstEvent(exchange));
}

// How long the caller waited for the first event, from the start of the exchange.
export function firstEvent(exchange) {
  return (exchange.queueMs ?? 0) + (exchange.leaseMs ?? 0) + (exchange.retryMs ?? 0) + (exchange.firstEventMs ?? 0);
}

export function percentile(sorted, share) {
  if (sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}

// The buckets from `now` back over `span`, oldest first, gaps filled with empty ones.
export function series(model, now, span = BUCKET_MS * BUCKETS) {
  const byStart = new Map(model.buckets.map((bucket) => [bucket.start, bucket]));
  const end = Math.floor(now / BUCKET_MS) * BUCKET_MS;
  const points = [];
  for (let start = end - span + BUCKET_MS; start <= end; start += BUCKET_MS) {
    const bucket = byStart.get(start);
    const sorted = bucket ? [...bucket.first].sort((a, b) => a - b) : [];
    points.push({
      start,
      answered: bucket?.answered ?? 0,
      cancelled: bucket?.cancelled ?? 0,
      failed: bucket?.failed ?? 0,
      tokens: bucket?.tokens ?? 0,
      p50: percentile(sorted, 0.5),
      p95: percentile(sorted, 0.95),
      p99: percentile(sorted, 0.99),
    });
  }
  return points;
}

// Sums points into groups of `size`.
export function grouped(points, size) {
  const groups = [];
  for (let index = 0; index < points.length; index += size) {
    const part = points.slice(index, index + size);
    const sum = (key) => part.reduce((total, point) => total + point[key], 0);
    groups.push({
      start: part[0].start,
      answered: sum("answered"),
      cancelled: sum("cancelled"),
      failed: sum("failed"),
      tokens: sum("tokens"),
    });
  }
  return groups;
}

// The numbers of the tiles: the last five minutes.
export function summary(model, now) {
  const since = now - 300_000;
  const recent = model.buckets.filter((bucket) => bucket.start >= since);
  const sum = (key) => recent.reduce((total, bucket) => total + bucket[key], 0);
  const firsts = recent.flatMap((bucket) => bucket.first).sort((a, b) => a - b);
  const ended = sum("answered") + sum("cancelled") + sum("failed");
  let running = 0;
  for (const exchange of model.exchanges.values()) running += exchange.state === "running" ? 1 : 0;
  return {
    running,
    perMinute: ended / 5,
    failedShare: ended ? sum("failed") / ended : null,
    p50: percentile(firsts, 0.5),
    p95: percentile(firsts, 0.95),
    tokensPerSecond: sum("tokens") / 300,
  };
}

// The rows to show, newest first.
export function rows(model, show, find, limit = 100) {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = [];
  for (const exchange of [...model.exchanges.values()].reverse()) {
    if (show !== "all" && exchange.state !== show) continue;
    const text = [exchange.id, exchange.requestId, exchange.traceId, exchange.conversationId, exchange.model,
      exchange.credential, exchange.reason, exchange.kind].join(" ").toLowerCase();
    if (words.every((word) => text.includes(word))) chosen.push(exchange);
    if (chosen.length >= limit) break;
  }
  return chosen;
}

// The parts of the bar that shows where the time of an exchange went, in milliseconds.
export function timing(exchange, now) {
  const total = exchange.totalMs ?? Math.max(0, now - exchange.startTime);
  const queue = exchange.queueMs ?? 0;
  const lease = exchange.leaseMs ?? 0;
  const retry = exchange.retryMs ?? 0;
  const waited = queue + lease + retry;
  const first = exchange.firstEventMs ?? Math.max(0, total - waited);
  const stream = exchange.firstEventMs == null ? 0 : Math.max(0, total - waited - first);
  return { queue, lease, retry, first, stream, total };
}

const TIERS = ["PERSONAL", "SHARED", "ANONYMOUS"];

// The credentials by tier, the tiers in the order in which they are used.
export function tiers(model) {
  const all = [...model.credentials.values()];
  return TIERS.map((tier) => ({ tier, credentials: all.filter((credential) => credential.tier === tier) }))
    .filter(({ credentials }) => credentials.length > 0);
}

// Words for a time in milliseconds.
export function duration(ms) {
  if (ms == null || !Number.isFinite(ms)) return "–";
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}
