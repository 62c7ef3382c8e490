// The API page, built from the documents that the server publishes. Everything goes to this server, and nothing is stored.

const VERSIONS = ["v2", "v1"];
const METHODS = ["get", "post", "put", "patch", "delete"];
const token = document.getElementById("token");
const keep = document.getElementById("keep");
const place = document.getElementById("operations");
let spec = {};
let lastToken = "";

/** An element with properties and children; texts are never read as HTML. */
function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== undefined && child !== ""));
  return node;
}

function resolve(part) {
  let found = part ?? {};
  while (found.$ref) found = found.$ref.slice(2).split("/").reduce((inside, key) => inside[key], spec);
  return found;
}

/** What a field is when it is not null. */
function present(part) {
  const found = resolve(part);
  const choices = (found.oneOf ?? found.anyOf ?? []).filter((one) => resolve(one).type !== "null");
  return choices.length === 1 ? resolve(choices[0]) : found;
}

/** "string | null, 1–200 characters" */
function described(schema) {
  const part = resolve(schema);
  const choice = part.oneOf ?? part.anyOf;
  if (choice) return [...new Set(choice.map((one) => described(one)))].join(" | ");
  const types = [part.type].flat().filter(Boolean).map((type) => (type === "array" ? `list of ${described(part.items)}` : type));
  const words = [types.join(" | ") || "any value"];
  if (part.format && !part.format.startsWith("int")) words.push(part.format);
  if (part.enum) words.push(`one of ${part.enum.join(", ")}`);
  const range = (low, high, unit) => {
    if (low !== undefined && high !== undefined) words.push(`${low}–${high}${unit}`);
    else if (low !== undefined) words.push(`at least ${low}${unit}`);
    else if (high !== undefined) words.push(`at most ${high}${unit}`);
  };
  range(part.minLength, part.maxLength, " characters");
  range(part.minimum, part.maximum, "");
  if (part.pattern) words.push(part.pattern);
  if (part.default !== undefined) words.push(`else ${part.default}`);
  return words.join(", ");
}

function table(rows) {
  return make("table", {}, make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))));
}

const code = (text) => make("code", { textContent: text });
const soft = (text) => make("span", { className: "soft", textContent: text });

/** Text with `code` in it. */
const prose = (text = "") => make("span", {}, ...text.split("`").map((part, index) => (index % 2 ? code(part) : part)));

/** The rows of an object's fields, those of inner objects below them. */
function fields(schema, prefix = "", depth = 0) {
  const part = resolve(schema);
  return Object.entries(part.properties ?? {}).flatMap(([name, field]) => {
    const inner = present(field);
    const items = resolve(inner.items);
    const must = part.required?.includes(name) ? "required" : "";
    const row = [code(prefix + name), soft([described(field), must].filter(Boolean).join(", ")), prose(inner.description)];
    const below = items.properties ? fields(items, `${prefix}${name}[].`, depth + 1) : fields(inner, `${prefix}${name}.`, depth + 1);
    return depth < 3 ? [row, ...below] : [row];
  });
}

function answers(responses) {
  return Object.entries(responses).map(([status, response]) => {
    const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
    const sample = content && make("details", {}, make("summary", {}, soft(type)),
      make("div", {}, make("pre", { textContent: JSON.stringify(content.example, null, 2), tabIndex: 0 })));
    const headers = Object.keys(response.headers ?? {}).filter((name) => name !== "X-Request-Id");
    const about = make("div", {}, prose(response.description), headers.length ? soft(` (${headers.join(", ")})`) : "");
    if (sample) about.append(sample);
    return [code(status), about];
  });
}

/** The form that sends the request. */
function form(method, path, operation, body) {
  const inputs = [];
  const label = (text, input) => make("label", {}, text, input);
  const fieldsOf = (operation.parameters ?? []).map((parameter) => {
    const { name, required } = resolve(parameter);
    // Whoever tries things out rarely minds which version it is.
    const value = name === "If-Match" ? "*" : "";
    const input = make("input", { value, required: Boolean(required), spellcheck: false, autocomplete: "off" });
    inputs.push([resolve(parameter), input]);
    return label(`${name} (${resolve(parameter).in}${required ? ", required" : ""})`, input);
  });
  const [type, content] = Object.entries(body.content ?? {})[0] ?? [];
  const sample = content && JSON.stringify(content.example, null, 2);
  const text = content && make("textarea", { value: sample, rows: Math.min(16, sample.split("\n").length + 1), spellcheck: false });
  const output = make("pre", { hidden: true, tabIndex: 0, ariaLabel: "Answer" });
  const node = make("form", {}, ...fieldsOf, content ? label(`Body (${type})`, text) : "",
    make("button", { className: "send", textContent: "Send" }), output);
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = content && text.value ? { "Content-Type": type } : {};
    // A token is sent where one may be, and nowhere else.
    if (token.value && operation.security) headers.Authorization = `Bearer ${token.value}`;
    const query = new URLSearchParams();
    let target = path;
    for (const [parameter, input] of inputs.filter(([, input]) => input.value)) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (parameter.in === "query") query.append(parameter.name, input.value);
      else headers[parameter.name] = input.value;
    }
    const url = query.size ? `${target}?${query}` : target;
    output.hidden = false;
    output.textContent = "…";
    output.textContent = await send(url, { method: method.toUpperCase(), headers, body: (content && text.value) || undefined, cache: "no-store" });
  });
  return node;
}

/** Sends a request and returns the answer as text. */
async function send(url, options) {
  let reply, body;
  try {
    reply = await fetch(url, options);
    body = await reply.text();
  } catch (error) {
    return `No answer: ${error.message}`;
  }
  try {
    const answer = JSON.parse(body);
    body = JSON.stringify(answer, null, 2);
    const found = answer.access_token ?? answer.data?.token ?? answer.token;
    if (typeof found === "string") {
      lastToken = found;
      keep.disabled = false;
    }
  } catch { /* Not every answer is JSON. */ }
  const headers = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return `${reply.status} ${reply.statusText}\n${headers}\n\n${body}`;
}

/** One operation; what is inside is built when it is opened. */
function operationNode(method, path, operation) {
  const node = make("details", { id: operation.operationId }, make("summary", {}, make("span", { className: `method ${method}`,
    textContent: method.toUpperCase() }), code(path), make("span", { className: "about", textContent: operation.summary ?? "" })));
  node.addEventListener("toggle", () => {
    if (!node.open || node.children.length > 1) return;
    const body = resolve(operation.requestBody);
    const parameters = (operation.parameters ?? []).map(resolve);
    const schema = Object.values(body.content ?? {})[0]?.schema;
    const part = (title, content) => [make("h3", { textContent: title }), content];
    node.append(make("div", {}, operation.description ? make("p", {}, prose(operation.description)) : "",
      ...(operation.security ? [soft(operation.security.some((one) => !Object.keys(one).length) ? "A token may be sent." : "Needs a token.")] : []),
      ...(parameters.length ? part("Parameters", table(parameters.map((one) => [code(one.name),
        soft([one.in, described(one.schema), one.required ? "required" : ""].filter(Boolean).join(", ")), prose(one.description)]))) : []),
      ...(schema ? part("Body", make("div", {}, prose(resolve(schema).description), table(fields(schema)))) : []),
      ...part("Try it", form(method, path, operation, body)),
      ...part("Answers", table(answers(operation.responses)))));
  });
  return node;
}

async function show(version) {
  const buttons = VERSIONS.map((name) => {
    const button = make("button", { type: "button", textContent: name, ariaPressed: String(name === version) });
    button.addEventListener("click", () => show(name));
    return button;
  });
  document.getElementById("versions").replaceChildren(...buttons);
  try {
    spec = await (await fetch(`/openapi/${version}.json`)).json();
  } catch (error) {
    place.replaceChildren(make("p", { textContent: `The document cannot be read: ${error.message}` }));
    return;
  }
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), operationNode(method, path, item[method])]);
    }
  }
  const sections = [...groups].map(([tag, nodes]) => make("section", { ariaLabel: tag }, make("h2", { textContent: tag }), ...nodes));
  const source = make("p", {}, prose(spec.info.description), " ", make("a", { href: `/openapi/${version}.json`, textContent: "The document" }));
  place.replaceChildren(source, ...sections);
}

keep.addEventListener("click", () => {
  token.value = lastToken;
  keep.disabled = true;
});
document.getElementById("session").addEventListener("submit", (event) => event.preventDefault());
show(VERSIONS[0]);
