// The table of exchanges, and one exchange in detail.

import { at, keyed, make, setText } from "./dom.js";
import { duration, firstEvent, rows, timing } from "./model.js";

const PARTS = ["queue", "lease", "retry", "first", "stream"];

export function drawExchanges(model, now, show, find, open) {
  const shown = rows(model, show, find);
  keyed(at("table").tBodies[0], shown, (exchange) => exchange.id, (exchange) => row(exchange, open), (element, exchange) => fill(element, exchange, now));
  at("empty").hidden = shown.length > 0;
  setText(at("empty"), model.exchanges.size ? "No exchange is like that." : "No exchange yet. Send a chat to the edge and it appears here.");
}

function row(exchange, open) {
  const cells = Array.from({ length: 7 }, () => make("td"));
  cells[1].append(make("span"));
  cells[4].className = "wide";
  cells[4].append(make("div", { className: "timing", role: "img" }, ...PARTS.map((name) => make("i", { className: name }))));
  cells[5].className = cells[6].className = "number";
  const element = make("tr", { tabIndex: 0 }, ...cells);
  const show = () => open(exchange.id);
  element.addEventListener("click", show);
  element.addEventListener("keydown", (event) => {
    const to = { ArrowDown: element.nextElementSibling, ArrowUp: element.previousElementSibling }[event.key];
    if (event.key === "Enter" || event.key === " ") show();
    else if (to) to.focus();
    else return;
    event.preventDefault();
  });
  return element;
}

function fill(element, exchange, now) {
  const [start, state, model, credential, bar, total, tokens] = element.cells;
  setText(start, new Date(exchange.startTime).toLocaleTimeString());
  state.firstChild.className = `state ${exchange.state}`;
  setText(state.firstChild, exchange.reason ? `${exchange.state}: ${exchange.reason}` : exchange.state);
  setText(model, exchange.model || "–");
  setText(credential, exchange.credential || "–");
  if (credential.title !== exchange.credential) credential.title = exchange.credential ?? "";
  const parts = timing(exchange, now);
  const words = timingWords(parts);
  if (bar.firstChild.title !== words) {
    bar.firstChild.title = words;
    bar.firstChild.setAttribute("aria-label", words);
    PARTS.forEach((name, index) => (bar.firstChild.children[index].style.flexGrow = String(Math.round(parts[name] * 10) / 10)));
  }
  setText(total, duration(parts.total));
  setText(tokens, tokenWords(exchange));
}

const timingWords = (parts) =>
  `queue ${duration(parts.queue)}, lease ${duration(parts.lease)}, ${parts.retry ? `failed attempts ${duration(parts.retry)}, ` : ""}first event ${duration(parts.first)}, stream ${duration(parts.stream)}`;

function tokenWords(exchange) {
  return exchange.outputTokens == null ? "–" : `${exchange.inputTokens ?? "–"} / ${exchange.outputTokens}`;
}

// The facts of an exchange and its decoded events, newest last.
export function drawDetail(exchange, events, traceUrl, now) {
  const parts = timing(exchange, now);
  const trace = exchange.traceId && traceUrl
    ? make("a", { href: traceUrl.replace("{trace_id}", encodeURIComponent(exchange.traceId)), target: "_blank", rel: "noreferrer" }, exchange.traceId)
    : exchange.traceId;
  const facts = [
    ["State", exchange.reason ? `${exchange.state}: ${exchange.reason}` : exchange.state],
    ["Why", exchange.error],
    ["Model", exchange.model],
    ["Kind", exchange.kind],
    ["Started", new Date(exchange.startTime).toLocaleString()],
    ["Total", duration(parts.total)],
    ["First event after", exchange.firstEventMs == null ? "" : duration(firstEvent(exchange))],
    ["Where the time went", timingWords(parts)],
    ["Credentials tried", (exchange.attempts ?? []).map((attempt) => attempt.words).join(", then ")],
    ["Events", exchange.events ? `${exchange.events}, ${exchange.characters ?? 0} characters` : ""],
    ["Tokens in / out", exchange.outputTokens == null ? "" : tokenWords(exchange)],
    ["Finish reason", exchange.finishReason],
    ["Request id", exchange.requestId],
    ["Conversation", exchange.conversationId],
    ["Trace", trace],
  ].filter(([, value]) => value);
  const list = make("dl", { className: "facts" });
  for (const [name, value] of facts) list.append(make("dt", {}, name), make("dd", {}, value));
  const shown = make("ol", { className: "events" });
  for (const event of events.list) {
    shown.append(make("li", {}, make("span", {}, `+${duration(event.atMs)}`), make("span", {}, event.name), make("span", {}, event.text)));
  }
  at("detail-body").replaceChildren(list, make("h2", {}, "Events"), make("p", { className: "faint" }, events.note), shown);
}
