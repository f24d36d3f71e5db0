/**
 * The script of the page at `/`, as the browser gets it. Whatever the server or a person wrote enters the page as text,
 * never as markup.
 */
export const PAGE_JS = String.raw`import { actAs, call, exchange, get, post, useToken } from "/assets/client.js";
import { JSON_TYPE, randomHex } from "/assets/client.js";
import { showDocument } from "/assets/document.js";
import { copyOf, facts, make, markField, money, problemLine, tell } from "/assets/elements.js";

const FOLLOW_EVERY_MS = 1_000;
const FOLLOW_AT_MOST_MS = 5 * 60_000;
const SUGGEST_AFTER_MS = 200;
const FINAL = ["completed", "rejected", "cancelled", "expired", "failed"];
const BAD = ["rejected", "cancelled", "expired", "failed", "needs_attention"];
const ASKING_ROLES = ["device", "technician", "integrator"];
const FILE_TYPES = { csv: "text/csv", json: "application/json", txt: "text/plain" };

/** @type {(id: string) => any} */
const element = (id) => document.getElementById(id);
const [ask, file, approvals, lines] = [element("ask"), element("file"), element("approvals"), element("lines")];

/** @typedef {import("/assets/client.js").Persona} Persona */
/** @type {Persona[]} */
let personas = [];
/** @type {Persona | null} */
let persona = null;
let [follows, suggestion] = [0, 0];

/** The field that a JSON pointer names: /device_id, /query/device_id, /lines/0/sku. @param {string} pointer */
function fieldOf(pointer = "") {
  const [, index, part] = /^\/lines\/(\d+)(?:\/(\w+))?/.exec(pointer) ?? [];
  const name = index === undefined ? pointer.split("/").pop() : part === "quantity" ? "quantity" : "part";
  const within = index === undefined ? ask : lines.children[index];
  return within?.querySelector('[data-field="' + CSS.escape(name) + '"]') ?? null;
}

/** Each field's message at the field, the others in the box. @param {HTMLElement} box */
function tellProblem(box, error) {
  if (!error.document) console.error(error);
  const { title = "The page failed", detail = error.message, errors = [], request_id: known } = error.document ?? {};
  const placed = errors.map((one) => ({ ...one, field: fieldOf(one.pointer) }));
  for (const one of placed) if (one.field) markField(one.field, one.detail);
  tell(box, title + ": " + detail, placed.filter((one) => !one.field).map(problemLine), true);
  placed.find((one) => one.field)?.field.querySelector("input, textarea").focus();
  if (!known) return;
  const look = make("button", "Follow that request", { type: "button", class: "plain" });
  look.addEventListener("click", () => follow(known));
  box.append(look);
}

function addLine() {
  const line = copyOf("line");
  line.querySelector("button").addEventListener("click", () => {
    line.remove();
    if (lines.children.length === 0) addLine();
    element("add-line").focus();
  });
  lines.append(line);
  return line.querySelector("input");
}

function freshNumber() {
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  ask.elements.request_number.value = "WEB-" + day + "-" + randomHex(3).toUpperCase();
}

/** A SKU is one of the suggestions or one word with a digit; anything else is a description. @param {Element} line */
function lineOf(line) {
  const [part, quantity] = [...line.querySelectorAll("input")].map((input) => input.value.trim());
  const isSku = [...element("parts").options].some((option) => option.value === part) || /^\S*\d\S*$/.test(part);
  return { [isSku ? "sku" : "text"]: part, quantity: Number(quantity) };
}

/** @param {string} typed */
function suggest(typed) {
  clearTimeout(suggestion);
  if (typed.trim().length < 2) return;
  suggestion = setTimeout(() => {
    get("/api/parts?limit=20&q=" + encodeURIComponent(typed.trim())).then(
      ({ data }) => {
        element("parts").replaceChildren(...data.map((one) => make("option", one.name, { value: one.sku })));
      },
      (error) => tellProblem(element("ask-notice"), error),
    );
  }, SUGGEST_AFTER_MS);
}

/** Runs what a form or button starts, its buttons off meanwhile. @param {HTMLElement} part @param {HTMLElement} box */
async function during(part, box, work) {
  const buttons = [...part.querySelectorAll("button")];
  for (const field of part.querySelectorAll("[data-field]")) markField(field, "");
  tell(box, "Sending …");
  for (const button of buttons) button.disabled = true;
  await work().catch((error) => tellProblem(box, error));
  for (const button of buttons) button.disabled = false;
}

async function sendRequest() {
  const { device_id: device, request_number: number, note } = ask.elements;
  const body = JSON.stringify({
    request_number: number.value.trim(),
    device_id: device.value.trim(),
    note: note.value.trim() || undefined,
    lines: [...lines.children].map(lineOf),
  });
  const accepted = await post("/api/requests", JSON_TYPE, body);
  note.value = "";
  lines.replaceChildren();
  addLine();
  wasAccepted(element("ask-notice"), accepted);
}

async function sendFile() {
  const { device_id: device, request_number: number } = ask.elements;
  const chosen = file.elements.file.files[0];
  const query = new URLSearchParams({ device_id: device.value.trim(), request_number: number.value.trim() });
  const type = FILE_TYPES[chosen.name.split(".").pop().toLowerCase()] ?? (chosen.type || "text/plain");
  const what = [chosen.name, chosen.size, chosen.lastModified].join(" ");
  const kept = await post("/api/uploads?" + query, type, chosen, what);
  file.reset();
  wasAccepted(element("file-notice"), kept);
}

function wasAccepted(box, { request_id: id, status }) {
  tell(box, "Accepted as " + id + ", status " + status + ".");
  freshNumber();
  follow(id);
}

/** Asks for the status each second until it is final, for five minutes at most. @param {string} id */
async function follow(id) {
  const turn = ++follows;
  const until = Date.now() + FOLLOW_AT_MOST_MS;
  element("follow").hidden = false;
  element("response").hidden = true;
  element("status").textContent = "…";
  for (const list of ["facts", "timeline"]) element(list).replaceChildren();
  element("follow").scrollIntoView({ block: "nearest" });
  for (let etag = ""; turn === follows; await new Promise((wake) => setTimeout(wake, FOLLOW_EVERY_MS))) {
    try {
      if (Date.now() > until) return tell(element("follow-notice"), "Not final after five minutes; no longer watched.");
      const answer = await call("/api/requests/" + id, etag === "" ? {} : { headers: { "if-none-match": etag } });
      if (answer.status === 304) continue;
      const [request, story] = await Promise.all([answer.json(), get("/api/requests/" + id + "/timeline")]);
      if (turn !== follows) return;
      etag = answer.headers.get("etag") ?? "";
      showRequest(request, story.data);
      const settled = request.response?.document && request.response.document.state !== "queued";
      if (!FINAL.includes(request.status) || !settled) continue;
      element("response-body").textContent = JSON.stringify(await get("/api/requests/" + id + "/response"), null, 2);
      element("response").hidden = false;
      return;
    } catch (error) {
      if (turn !== follows) return;
      tellProblem(element("follow-notice"), error);
      if (error.document?.status !== 0 && !error.document?.retryable) return;
    }
  }
}

function showRequest(request, story) {
  if (element("status").textContent !== request.status) element("status").textContent = request.status;
  const endedWell = request.status === "completed";
  element("status").dataset.tone = endedWell ? "good" : BAD.includes(request.status) ? "bad" : "wait";
  facts(element("facts"), {
    Request: request.request_id + " (" + request.request_number + ")",
    Device: request.device_id,
    Total: money(request.total),
    Order: request.order_id,
    Reason: request.reason,
    Approvals: request.approvals.map((step) => step.approver + ": " + step.state).join(", "),
  });
  const run = (work) => during(element("follow"), element("follow-notice"), work);
  showDocument(element("document"), request, persona?.role, run, follow);
  const problems = request.problems.map(problemLine);
  tell(element("follow-notice"), problems.length > 0 ? "What is unclear:" : "", problems, true);
  const items = story.map((step) => {
    const item = make("li");
    const time = make("time", new Date(step.at).toLocaleTimeString(), { datetime: step.at });
    item.append(time, make("strong", step.action), " by " + step.actor + (step.reason ? ": " + step.reason : ""));
    return item;
  });
  element("timeline").replaceChildren(...items);
}

async function showApprovals() {
  try {
    const { data } = await get("/api/approvals");
    approvals.hidden = false;
    const cards = data.map(async (step) =>
      step.command ? stockCard(step) : requestCard(step, await get("/api/requests/" + step.request.request_id)),
    );
    element("pending").replaceChildren(...(await Promise.all(cards)));
    tell(element("approvals-notice"), cards.length === 0 ? "Nothing waits for your decision." : "");
  } catch (error) {
    approvals.hidden = [401, 403].includes(error.document?.status);
    tellProblem(element(error.document?.status === 401 ? "identity-notice" : "approvals-notice"), error);
  }
}

function requestCard(step, request) {
  const about = {
    Total: money(request.total),
    Lines: request.lines.map((line) => line.quantity + " × " + (line.sku ?? line.text)).join(", "),
    "Asked by": request.requester,
    Note: request.note,
  };
  return approvalCard(step, request.request_number + " for " + request.device_id, about, () => follow(request.request_id));
}

function stockCard(step) {
  const { sku, location, bin, change, value, reason } = step.command;
  const about = { Worth: money(value), Change: change + " × " + sku + " in " + bin, Why: reason };
  return approvalCard(step, "Stock of " + location, about, () => {});
}

function approvalCard(step, title, about, after) {
  const card = copyOf("approval");
  card.querySelector("h3").textContent = title;
  const due = step.due_at && new Date(step.due_at).toLocaleString();
  facts(card.querySelector("dl"), { ...about, Rule: step.rule, Due: due });
  const decide = async (decision) => {
    const reason = card.querySelector("input").value.trim() || undefined;
    const body = JSON.stringify({ decision, payload_hash: step.payload_hash, reason });
    await post("/api/approvals/" + step.id + "/decision", JSON_TYPE, body);
    after();
    await showApprovals();
  };
  for (const button of card.querySelectorAll("button")) {
    button.addEventListener("click", () => during(card, card.querySelector(".notice"), () => decide(button.value)));
  }
  return card;
}

/** Who calls from now on: the form, the devices to choose from and the approvals go by their role. */
function offerWork() {
  const near = personas.filter((one) => !persona?.region || one.region === persona.region);
  const devices = near.filter((one) => one.role === "device");
  const device = ask.elements.device_id;
  element("devices").replaceChildren(...devices.map((one) => make("option", "", { value: one.id })));
  device.readOnly = persona?.role === "device";
  if (persona?.role === "device") device.value = persona.id;
  else if (persona && !devices.some((one) => one.id === device.value)) device.value = devices[0]?.id ?? "";
  element("asking").hidden = persona !== null && !ASKING_ROLES.includes(persona.role);
  element("not-asking").hidden = !element("asking").hidden;
  approvals.hidden = true;
  if (!persona || persona.role === "manager") showApprovals(); // a pasted token doesn't tell the role: the server does
}

async function offerPersonas() {
  personas = (await (await exchange("/dev/personas")).json()).data;
  if (personas.length === 0) throw new Error("there is nobody yet: load the data first");
  const select = element("persona");
  for (const role of new Set(personas.map((one) => one.role))) {
    const members = personas.filter((one) => one.role === role);
    const group = make("optgroup", "", { label: role });
    const nameOf = (one) => one.id + (one.region ? " (" + one.region + ")" : "");
    group.append(...members.map((one) => make("option", nameOf(one), { value: one.id })));
    select.append(group);
  }
  const before = personas.find((one) => one.id === sessionStorage.getItem("persona"));
  select.value = (before ?? personas.find((one) => one.role === "technician") ?? personas[0]).id;
  const choose = () => {
    persona = personas.find((one) => one.id === select.value) ?? null;
    actAs(persona);
    sessionStorage.setItem("persona", select.value);
    offerWork();
  };
  select.addEventListener("change", choose);
  choose();
}

/** @param {HTMLFormElement} form @param {() => void} work */
function onSubmit(form, work) {
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    work();
  });
}

addLine();
freshNumber();
element("add-line").addEventListener("click", () => addLine().focus());
element("refresh").addEventListener("click", showApprovals);
ask.addEventListener("input", ({ target }) => {
  markField(target.closest("[data-field]"), "");
  if (target.name === "part") suggest(target.value);
});
onSubmit(ask, () => during(ask, element("ask-notice"), sendRequest));
onSubmit(file, () => during(file, element("file-notice"), sendFile));
onSubmit(element("identity"), () => {
  useToken(element("token").value.trim());
  tell(element("identity-notice"), "The token stays on this page until it is closed.");
  offerWork();
});
if (element("persona")) offerPersonas().catch((error) => tellProblem(element("identity-notice"), error));
`;
