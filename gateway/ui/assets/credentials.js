// The credentials by tier: where each stands, when it comes back, and what an operator can do about it.

import { at, keyed, make, setText } from "./dom.js";
import { duration, tiers } from "./model.js";

const TIER_WORDS = { PERSONAL: "Personal, used first", SHARED: "Shared", ANONYMOUS: "Anonymous, the last resort" };
const STATE_WORDS = { ACTIVE: "active", COOLING_DOWN: "cooling down", EXHAUSTED: "quota used up", DISABLED: "disabled", BLOCKED: "blocked" };
const ACTIONS = [
  { verb: "check", word: "Check", when: () => true, about: "Exchanges its token and reads its quota. No model is called." },
  { verb: "disable", word: "Disable", when: (credential) => credential.state !== "DISABLED", sure: true, about: "It serves no turn until somebody brings it back. Turns that run go on." },
  { verb: "recover", word: "Recover", when: (credential) => credential.state !== "ACTIVE", about: "What is held against it is forgotten; it serves again." },
];

export function drawCredentials(model, now, act) {
  const groups = tiers(model);
  keyed(at("credentials"), groups, ({ tier }) => tier,
    ({ tier }) => make("div", { className: "tier" }, make("h3", {}, TIER_WORDS[tier] ?? tier), make("div", { className: "cards" })),
    (element, { credentials }) => keyed(element.lastChild, credentials, ({ name }) => name, (credential) => card(credential, act), (cardElement, credential) => fill(cardElement, credential, now)));
  const all = [...model.credentials.values()];
  const ready = all.filter((credential) => stateNow(credential, now) === "ACTIVE").length;
  setText(at("pool"), all.length ? `${ready} of ${all.length} can serve` : "No credential is known.");
}

// A wait that is over has ended, though nobody said so yet.
function stateNow(credential, now) {
  const waits = credential.state === "COOLING_DOWN" || credential.state === "EXHAUSTED";
  return waits && credential.recoveryTime && credential.recoveryTime <= now ? "ACTIVE" : credential.state;
}

function card(credential, act) {
  const buttons = ACTIONS.map((action) => {
    const button = make("button", { type: "button", title: action.about }, action.word);
    button.addEventListener("click", async () => {
      button.disabled = true;
      await act(action, credential.name);
      button.disabled = false;
    });
    return button;
  });
  return make("article", { className: "credential" },
    make("div", { className: "row" }, make("strong"), make("span", { className: "grow" }), make("span")),
    make("div", { className: "faint" }), make("meter", { min: 0, hidden: true }), make("div", { className: "error" }),
    make("div", { className: "actions" }, ...buttons));
}

function fill(element, credential, now) {
  const [head, facts, meter, error, actions] = element.children;
  const state = stateNow(credential, now);
  setText(head.children[0], credential.displayName || credential.name);
  head.children[2].className = `state ${state.toLowerCase()}`;
  setText(head.children[2], STATE_WORDS[state] ?? state);
  const back = credential.recoveryTime && state !== "ACTIVE"
    ? credential.recoveryTime > now ? `back in ${duration(credential.recoveryTime - now)}` : "tried with the next turn"
    : state === "ACTIVE" ? "" : "waits for a person";
  const quota = credential.quota;
  setText(facts, [credential.kind, `${credential.inFlight} in flight`, `${credential.granted} granted`,
    credential.failures ? `${credential.failures} failures in a row` : "", quotaWords(quota), back].filter(Boolean).join(" · "));
  meter.hidden = !quota || quota.unlimited || !quota.limit;
  if (!meter.hidden) {
    Object.assign(meter, { max: quota.limit, low: quota.limit * 0.15, optimum: quota.limit, value: Math.max(0, quota.remaining) });
    meter.setAttribute("aria-label", quotaWords(quota));
  }
  setText(error, credential.lastError ?? "");
  ACTIONS.forEach((action, index) => (actions.children[index].hidden = !action.when({ ...credential, state })));
}

function quotaWords(quota) {
  if (!quota) return "";
  return quota.unlimited ? "no quota limit" : `${quota.remaining} of ${quota.limit} credits left`;
}
