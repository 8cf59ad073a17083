// Draws the document at /openapi.json. Text from it is only ever set as text.
"use strict";

const byId = (id) => document.getElementById(id);

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text with `code` and *emphasis*. */
function inline(text) {
  return text.split(/(`[^`]+`|\*[a-z]+\*)/).map((piece) => {
    if (piece.startsWith("`") && piece.length > 2) return make("code", { textContent: piece.slice(1, -1) });
    if (/^\*[a-z]+\*$/.test(piece)) return make("em", { textContent: piece.slice(1, -1) });
    return piece;
  });
}

/** Paragraphs and lists. */
function prose(text) {
  const out = make("div", { className: "text" });
  for (const block of (text ?? "").split("\n\n").filter(Boolean)) {
    let list = null;
    for (const line of block.split("\n")) {
      if (line.startsWith("- ")) {
        list ??= out.appendChild(make("ul"));
        list.append(make("li", {}, ...inline(line.slice(2))));
      } else {
        list = null;
        out.append(make("p", {}, ...inline(line)));
      }
    }
  }
  return out;
}

let contract = null;

function resolve(schema) {
  const path = schema?.$ref?.split("/").slice(1);
  if (!path) return { schema: schema ?? {}, name: null };
  const found = path.reduce((value, key) => value?.[key], contract);
  // What stands beside a reference comes first.
  return { schema: { ...found, ...schema, $ref: undefined, description: schema.description ?? found?.description }, name: path.at(-1) };
}

function kindOf(schema) {
  const { schema: found, name } = resolve(schema);
  if (found.type === "array") return `list of ${kindOf(found.items)}`;
  if (found.enum) return name ?? "enum";
  if (name) return name;
  const kind = Array.isArray(found.type) ? found.type.join(" or ") : found.type ?? (found.const !== undefined ? JSON.stringify(found.const) : "any");
  return found.format ? `${kind} (${found.format})` : kind;
}

/** The fields of a schema, those of messages folded away until somebody looks. */
function fields(schema) {
  const { schema: found } = resolve(schema.type === "array" ? schema.items : schema);
  const required = new Set(found.required ?? []);
  const entries = Object.entries(found.properties ?? {});
  if (entries.length === 0) return null;
  return make("ul", { className: "fields" }, ...entries.map(([name, property]) => field(name, property, required.has(name))));
}

function field(name, schema, required) {
  const { schema: found } = resolve(schema);
  const item = make("li", {},
    make("code", { textContent: name }), " ",
    make("span", { className: "kind", textContent: kindOf(schema) }), " ",
    required ? make("span", { className: "must", textContent: "required" }) : null,
    found.readOnly ? make("span", { className: "kind", textContent: " only in answers" }) : null,
    found.writeOnly ? make("span", { className: "kind", textContent: " never in answers" }) : null,
    prose(schema.description ?? (found.enum || !found.properties ? found.description : "")));
  const inner = resolve(found.type === "array" ? found.items ?? {} : found).schema;
  if (inner.properties) {
    const more = make("details", {}, make("summary", { textContent: "fields" }));
    more.addEventListener("toggle", () => {
      if (more.childElementCount === 1) more.append(fields(inner) ?? "none");
    }, { once: true });
    item.append(more);
  }
  return item;
}

/** A small value that fits a schema. */
function example(schema, depth = 0) {
  const { schema: found } = resolve(schema);
  if (found.examples) return found.examples[0];
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[1] ?? found.enum[0];
  switch (Array.isArray(found.type) ? found.type[0] : found.type) {
    case "array": return depth > 4 ? [] : [example(found.items ?? {}, depth + 1)];
    case "object": {
      const wanted = Object.entries(found.properties ?? {}).filter(([name, property]) =>
        (found.required ?? []).includes(name) || (depth > 0 && depth < 4 && found.maxProperties !== 1 && !property.readOnly));
      if (found.maxProperties === 1) wanted.push(...Object.entries(found.properties ?? {}).slice(0, 1));
      return Object.fromEntries(wanted.slice(0, 6).map(([name, property]) => [name, example(property, depth + 1)]));
    }
    case "integer": case "number": return 0;
    case "boolean": return false;
    default: return "text";
  }
}

/** Where an operation is called: here, or on another port of this host. */
function address(operation) {
  const server = operation.servers?.[0];
  return server ? server.url.replace("{host}", location.hostname || "127.0.0.1") : location.origin;
}

function quoted(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function tryOut(method, path, operation) {
  const parameters = operation.parameters ?? [];
  const inputs = parameters.map((parameter) => {
    const input = make("input", { name: parameter.name, placeholder: parameter.required ? "required" : "" });
    return { parameter, input };
  });
  const schema = operation.requestBody?.content["application/json"].schema;
  const start = path === "/v1/chat/completions"
    ? { model: "auto", stream: true, messages: [{ role: "user", content: "Hello!" }] }
    : path.endsWith(":streamChat") ? { messages: [{ role: "ROLE_USER", parts: [{ text: "Hello!" }] }] } : schema && example(schema);
  const body = schema ? make("textarea", { value: JSON.stringify(start, null, 2), spellcheck: false, ariaLabel: "Body" }) : null;
  const line = make("code");
  const answer = make("pre", { hidden: true, tabIndex: 0 });
  const status = make("span", { className: "kind", role: "status" });
  const send = make("button", { type: "button", textContent: "Send" });
  const url = () => {
    const query = new URLSearchParams();
    let filled = path;
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value) || `{${parameter.name}}`);
      else if (input.value) query.append(parameter.name, input.value);
    }
    return address(operation) + filled + (query.size ? `?${query}` : "");
  };
  const draw = () => {
    const parts = ["curl", ...(operation.responses["200"]?.content?.["text/event-stream"] ? ["-N"] : [])];
    if (method !== "get" && !(method === "post" && body)) parts.push("-X", method.toUpperCase());
    parts.push(quoted(url()));
    if (operation.security && byId("key").value) parts.push("-H", quoted("authorization: Bearer KEY"));
    if (body) parts.push("-H", quoted("content-type: application/json"), "-d", quoted(body.value));
    line.textContent = parts.join(" ");
  };
  for (const { input } of inputs) input.addEventListener("input", draw);
  body?.addEventListener("input", draw);
  byId("key").addEventListener("input", draw);
  // The page may call only the port it came from.
  const here = address(operation) === location.origin;
  send.disabled = !here;
  if (!here) status.textContent = "Another port: use the line above.";
  send.addEventListener("click", async () => {
    const headers = body ? { "content-type": "application/json" } : {};
    if (byId("key").value) headers.authorization = `Bearer ${byId("key").value}`;
    send.disabled = true;
    answer.hidden = false;
    answer.textContent = "";
    try {
      const response = await fetch(url(), { method: method.toUpperCase(), headers, body: body?.value });
      status.textContent = `${response.status} ${response.statusText}`;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) answer.append(part.value);
      if (response.headers.get("content-type")?.startsWith("application/json")) {
        answer.textContent = JSON.stringify(JSON.parse(answer.textContent), null, 2);
      }
    } catch (error) {
      status.textContent = `failed: ${error.message}`;
    }
    send.disabled = false;
  });
  draw();
  return make("div", {}, make("h3", { textContent: "Try it" }),
    inputs.length ? make("div", { className: "inputs" }, ...inputs.map(({ parameter, input }) => make("label", {}, parameter.name, input))) : null,
    body, make("pre", {}, line), make("div", { className: "row" }, send, status), answer);
}

function answers(operation) {
  const rows = Object.entries(operation.responses).map(([code, response]) => {
    const { schema: found } = resolve(response);
    const content = Object.entries(found.content ?? {});
    const item = make("li", {}, make("code", { textContent: code }), " ",
      make("span", { className: "kind", textContent: content.map(([kind]) => kind).join(", ") }), prose(found.description));
    const schema = content[0]?.[1]["x-item-schema"] ?? content[0]?.[1].schema;
    if (code === "200" && schema) item.append(fields(schema) ?? "");
    return item;
  });
  return make("ul", { className: "fields" }, ...rows);
}

function show(method, path, operation) {
  const inner = make("div");
  const entry = make("details", { className: "operation", id: operation.operationId },
    make("summary", {},
      make("span", { className: `method ${method}`, textContent: method.toUpperCase() }),
      make("span", { className: "path", textContent: path }),
      make("span", { className: "summary", textContent: operation.summary ?? "" })), inner);
  entry.addEventListener("toggle", () => {
    if (!entry.open || inner.childElementCount > 0) return;
    const parameters = operation.parameters ?? [];
    const schema = operation.requestBody?.content["application/json"].schema;
    inner.append(prose(operation.description));
    if (operation["x-grpc-method"]) inner.append(prose(`Over gRPC: \`${operation["x-grpc-method"].slice(1)}\``));
    if (parameters.length) {
      inner.append(make("h3", { textContent: "Parameters" }), make("ul", { className: "fields" },
        ...parameters.map((one) => field(one.name, { ...one.schema, description: one.description }, one.required))));
    }
    if (schema) inner.append(make("h3", { textContent: "Body" }), fields(schema) ?? "An object.");
    inner.append(make("h3", { textContent: "Answers" }), answers(operation), tryOut(method, path, operation));
  });
  const words = `${method} ${path} ${operation.operationId} ${operation.summary} ${operation.description}`.toLowerCase();
  return { entry, words, tag: operation.tags?.[0] };
}

function draw() {
  byId("version").textContent = contract.info.version;
  byId("about").append(prose(contract.info.description));
  const all = Object.entries(contract.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => show(method, path, operation)));
  const groups = contract.tags.map((tag) => {
    const entries = all.filter((one) => one.tag === tag.name);
    const group = make("section", { id: `tag-${tag.name}` }, make("h2", { textContent: tag.name }), prose(tag.description),
      ...entries.map((one) => one.entry));
    byId("tags").append(make("a", { href: `#tag-${tag.name}`, textContent: tag.name }));
    return { group, entries };
  });
  byId("operations").replaceChildren(...groups.map(({ group }) => group));
  byId("find").addEventListener("input", () => {
    const wanted = byId("find").value.toLowerCase().split(" ").filter(Boolean);
    for (const { group, entries } of groups) {
      for (const { entry, words } of entries) entry.hidden = !wanted.every((word) => words.includes(word));
      group.hidden = entries.every(({ entry }) => entry.hidden);
    }
  });
  const linked = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  if (linked) {
    if (linked.tagName === "DETAILS") linked.open = true;
    linked.scrollIntoView();
  }
}

fetch("/openapi.json")
  .then((response) => response.json())
  .then((json) => {
    contract = json;
    draw();
  })
  .catch((error) => {
    byId("state").textContent = `The document could not be loaded: ${error.message}`;
  });
