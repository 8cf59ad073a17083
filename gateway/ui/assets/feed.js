// Follows a server stream of the native REST: server-sent events, one JSON message each. Not EventSource, which can
// send no key. Comes back on its own when the stream ends, waiting longer each time; a refusal waits for a key.

const QUIET_MS = 45_000;
const MAX_FRAME = 8 * 1024 * 1024;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Answers with a function that ends it. `on.message(json)`, `on.state("wait" | "live" | "lost" | "refused", words)`.
export function follow(path, headers, on) {
  const stop = new AbortController();
  (async () => {
    for (let failures = 0; !stop.signal.aborted; ) {
      on.state("wait", "connecting");
      try {
        await once(path, headers(), stop.signal, on, () => (failures = 0));
        on.state("lost", "the stream ended");
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof Refused && [401, 403, 404, 501].includes(error.status)) {
          on.state("refused", error.message);
          return;
        }
        on.state("lost", error.message || "no connection");
      }
      failures += 1;
      await rest(Math.min(15_000, 500 * 2 ** Math.min(failures, 5)), stop.signal);
    }
  })();
  return () => stop.abort();
}

async function once(path, headers, stopped, on, arrived) {
  const quiet = new AbortController();
  let timer = setTimeout(() => quiet.abort(), QUIET_MS);
  const signal = AbortSignal.any([stopped, quiet.signal]);
  try {
    const response = await fetch(path, { headers: { accept: "text/event-stream", ...headers }, signal, cache: "no-store" });
    if (!response.ok) throw new Refused(response.status, await wordsOf(response));
    on.state("live", "live");
    const read = frames();
    const text = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await text.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), QUIET_MS);
      arrived();
      for (const data of read(value)) {
        const message = JSON.parse(data);
        if (message.error) throw new Error(message.error.message);
        on.message(message);
      }
    }
  } catch (error) {
    throw quiet.signal.aborted ? new Error("nothing was heard for a while") : error;
  } finally {
    clearTimeout(timer);
  }
}

// Cuts text into the data of events. Comments keep the connection alive and are no events.
export function frames() {
  let rest = "";
  return (text) => {
    rest += text;
    if (rest.length > MAX_FRAME) throw new Error("an event is too large");
    const found = rest.split(/\r?\n\r?\n/);
    rest = found.pop();
    return found
      .map((frame) => frame.split(/\r?\n/).filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(line.startsWith("data: ") ? 6 : 5)).join("\n"))
      .filter((data) => data !== "");
  };
}

// One call of the native REST.
export async function call(method, path, headers, body) {
  const response = await fetch(path, {
    method,
    headers: { accept: "application/json", ...(body ? { "content-type": "application/json" } : {}), ...headers },
    body: body && JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(20_000),
  });
  if (!response.ok) throw new Refused(response.status, await wordsOf(response));
  return response.json();
}

async function wordsOf(response) {
  try {
    const { error } = await response.json();
    return error.message || response.statusText;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

function rest(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}
