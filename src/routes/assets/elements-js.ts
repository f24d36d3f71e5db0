/** What the page is made of in the browser: text and attributes only, never markup from a string. */
export const ELEMENTS_JS = String.raw`let ids = 0;

/** @param {string} tag @param {string} [text] @param {Record<string, string>} [attributes] */
export function make(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** A fresh copy of a template, each label tied to its input. @param {string} id */
export function copyOf(id) {
  const copy = document.getElementById(id).content.firstElementChild.cloneNode(true);
  for (const label of copy.querySelectorAll("label")) {
    label.htmlFor = "field-" + ++ids;
    label.parentElement.querySelector("input").id = label.htmlFor;
  }
  return copy;
}

/** @param {HTMLElement} box @param {string} text Empty: the box goes. @param {string[]} [items] */
export function tell(box, text, items = [], bad = false) {
  box.classList.toggle("bad", bad);
  box.hidden = text === "";
  const list = make("ul");
  list.append(...items.map((item) => make("li", item)));
  box.replaceChildren(make("p", text), ...(items.length > 0 ? [list] : []));
}

/** @param {HTMLElement} field @param {string} text Empty: nothing is wrong. */
export function markField(field, text) {
  const [input, error] = [field.querySelector("input, textarea"), field.querySelector(".error")];
  error.id ||= "error-" + ++ids;
  error.textContent = text;
  error.hidden = text === "";
  input.setAttribute("aria-invalid", String(text !== ""));
  input.dataset.hint ??= input.getAttribute("aria-describedby") ?? "";
  input.setAttribute("aria-describedby", (input.dataset.hint + " " + error.id).trim());
}

/** @param {{ pointer?: string, line?: number, column?: string, value?: string, detail: string }} problem */
export function problemLine({ pointer, line, column, value, detail }) {
  const place = [line === undefined ? pointer : "line " + line, column, value === undefined ? "" : "“" + value + "”"];
  return [place.filter(Boolean).join(", "), detail].filter(Boolean).join(": ");
}

/** @param {Element} list @param {Record<string, string | null | undefined>} values Empty ones are left out. */
export function facts(list, values) {
  const given = Object.entries(values).filter(([, value]) => value);
  list.replaceChildren(...given.flatMap(([name, value]) => [make("dt", name), make("dd", value ?? "")]));
}

/** @param {{ amount: number, currency: string } | null} total In minor units. */
export function money(total) {
  if (!total) return "";
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency: total.currency });
  return format.format(total.amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}
`;
