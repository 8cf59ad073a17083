// From the JSON of the native REST to what the page keeps. Pure; what is missing stays missing.

const STATES = { LEASING: "running", AWAITING: "running", STREAMING: "running", SUCCEEDED: "answered", FAILED: "failed", CANCELLED: "cancelled" };
const HISTORY = 1000;

export const WATCH_EXCHANGES = `v1/exchanges:watch?historySize=${HISTORY}&withoutContent=true&progressInterval=0.5s`;

// `1.5s` in milliseconds.
export function milliseconds(text) {
  const seconds = typeof text === "string" && text.endsWith("s") ? Number(text.slice(0, -1)) : NaN;
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

const time = (text) => (text ? Date.parse(text) : undefined);
const short = (value, prefix) => (value ?? "").replace(prefix, "");
const number = (value) => (value == null ? undefined : Number(value));
const defined = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

// What a message of the watch says: an exchange as far as it is told, how many messages were missed, or nothing.
export function readExchangeMessage(message) {
  const whole = message.recalled ?? message.exchangeStarted ?? message.exchangeFinished;
  if (whole) return { exchange: readExchange(whole.exchange) };
  if (message.lagged) return { dropped: Number(message.lagged.droppedCount ?? 0) };
  if (!message.exchange) return {};
  const exchange = { id: idOf(message.exchange), state: "running", conversationId: message.conversationId };
  if (message.leaseAcquired) {
    const { credential } = message.leaseAcquired;
    exchange.credential = credential?.displayName;
    exchange.step = "lease";
  }
  if (message.firstEventReceived) exchange.step = "stream";
  if (message.progressed) Object.assign(exchange, readProgress(message.progressed.progress));
  return { exchange: defined(exchange) };
}

export function readExchange(exchange) {
  const timings = exchange.timings ?? {};
  const credentials = exchange.credentials ?? [];
  const state = STATES[short(exchange.state, "EXCHANGE_STATE_")] ?? "running";
  const ended = state !== "running";
  return defined({
    id: idOf(exchange.name),
    state,
    kind: short(exchange.kind, "EXCHANGE_KIND_").toLowerCase(),
    requestId: exchange.requestId,
    traceId: exchange.traceId,
    conversationId: exchange.conversationId,
    model: exchange.model,
    upstream: exchange.upstream,
    startTime: time(exchange.startTime),
    endTime: time(exchange.endTime),
    credential: credentials.at(-1)?.displayName,
    attempts: credentials.map((one) => ({
      words: `${one.displayName} (${short(one.tier, "CREDENTIAL_TIER_").toLowerCase()})${one.errorReason && !one.errorReason.endsWith("UNSPECIFIED") ? `: ${short(one.errorReason, "ERROR_REASON_")}` : ""}`,
    })),
    queueMs: milliseconds(timings.queueDuration),
    leaseMs: milliseconds(timings.leaseDuration),
    retryMs: milliseconds(timings.retryDuration),
    firstEventMs: milliseconds(timings.firstEventDuration),
    totalMs: ended ? milliseconds(timings.totalDuration) : undefined,
    ...readProgress(exchange.progress),
    inputTokens: number(exchange.usage?.inputTokens),
    outputTokens: number(exchange.usage?.outputTokens),
    finishReason: exchange.finishReason && short(exchange.finishReason, "FINISH_REASON_").toLowerCase(),
    reason: state === "failed" ? short(exchange.errorReason, "ERROR_REASON_") : undefined,
    error: exchange.errorMessage || undefined,
  });
}

function readProgress(progress) {
  return progress ? { events: Number(progress.eventCount ?? 0), characters: Number(progress.characterCount ?? 0) } : {};
}

// One exchange with its events, as GetExchange tells it.
export function readDetail(exchange) {
  const list = (exchange.streamEvents ?? []).map((event) => ({
    atMs: milliseconds(event.offset),
    name: event.eventType,
    text: event.event ? JSON.stringify(event.event) : `${event.eventBytes ?? 0} bytes`,
  }));
  const notes = [
    list.length === 0 ? "Events are kept while capture is on (W2A_CAPTURE), or while somebody watches them." : "",
    exchange.streamEventsDropped ? "There were more than these." : "",
    list.length && !exchange.streamEvents.some((event) => event.event) ? "Without their contents: capture is off." : "",
  ];
  return { list, note: notes.filter(Boolean).join(" "), exchange: readExchange(exchange) };
}

// A message of the watch of credentials, or the answer of an action on one.
export function readCredential(message) {
  const credential = message.changed ?? message.credential ?? (message.name ? message : undefined);
  const wrong = message.finding && message.finding !== "CREDENTIAL_FINDING_GOOD";
  return {
    credential: credential && readOne(credential),
    removed: message.removed,
    problem: wrong ? message.detail || message.finding : undefined,
  };
}

function readOne(credential) {
  const quota = credential.quota;
  return {
    name: credential.name,
    displayName: credential.displayName,
    tier: short(credential.tier, "CREDENTIAL_TIER_"),
    kind: short(credential.kind, "CREDENTIAL_KIND_").toLowerCase().replaceAll("_", " "),
    state: short(credential.state, "CREDENTIAL_STATE_"),
    recoveryTime: time(credential.recoveryTime),
    failures: credential.consecutiveFailureCount ?? 0,
    inFlight: credential.inFlightCount ?? 0,
    granted: Number(credential.grantedCount ?? 0),
    lastError: credential.lastError,
    quota: quota && { limit: Number(quota.limit ?? 0), remaining: Number(quota.remaining ?? 0), unlimited: Boolean(quota.unlimited) },
  };
}

const idOf = (name) => (name ?? "").replace(/^exchanges\//, "");
