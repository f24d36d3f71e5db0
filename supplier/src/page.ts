/** The page on which a person sees a supplier's orders and sets its switches: no script, and all text is escaped. */
import type { BookView } from "./supplier-book.ts";
import { SWITCH_TEXT, type SwitchName } from "./switches.ts";

export const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}
label{display:grid;grid-template-columns:11rem 7rem 1fr;gap:.5rem;align-items:center;padding:.2rem 0}
input[type=number]{width:6rem}button{margin-top:1rem;padding:.4rem 1.2rem}`;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escape(value: string | number): string {
  return String(value).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** A page of this supplier. Its addresses are relative, so that it works wherever `/{supplier}/` is mounted. */
export function bookPage(supplier: string, view: BookView): Response {
  const fields = (Object.keys(SWITCH_TEXT) as SwitchName[]).map((name) => {
    const value = view.switches[name];
    const input =
      typeof value === "boolean"
        ? `<input type="checkbox" name="${name}"${value ? " checked" : ""}>`
        : `<input type="number" name="${name}" min="0" value="${value}">`;
    return `<label><code>${name}</code>${input}<span>${escape(SWITCH_TEXT[name])}</span></label>`;
  });
  const orders = view.orders.map((order) =>
    row([
      order.reference,
      order.status,
      order.order_id,
      order.idempotency_key,
      order.lines.map((line) => `${line.quantity} × ${line.sku} at ${line.unit_price}`).join(", "),
      `${order.total} ${order.currency}`,
    ]),
  );
  const calls = view.calls.map(({ at, what, answered }) => row([at, what, String(answered ?? "none")]));
  const late = view.late.map((waiting) => row([waiting.key, waiting.dueAt]));
  return htmlAnswer(
    `Supplier ${supplier}`,
    `<h2>Switches</h2>
<form method="post" action="switches">${fields.join("\n")}<button>Set</button></form>
<h2>Purchase orders</h2>
${table(["Reference", "Status", "Order", "Idempotency key", "Lines", "Total, minor units"], orders)}
<h2>To be accepted late</h2>
${table(["Idempotency key", "At"], late)}
<form method="post" action="late-acceptances"><button>Accept them now</button></form>
<h2>Calls to its API</h2>
${table(["At", "What", "Answered with"], calls)}`,
  );
}

/** What the `html` switch answers with: a proxy's page in place of the supplier's JSON. */
export function maintenancePage(): Response {
  return htmlAnswer("We'll be back soon", "<p>Our shop is being maintained.</p>");
}

export function row(cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<td>${escape(cell)}</td>`).join("")}</tr>`;
}

export function table(heads: readonly string[], rows: readonly string[]): string {
  if (rows.length === 0) return "<p>None.</p>";
  const head = heads.map((text) => `<th scope="col">${escape(text)}</th>`).join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
}

export function htmlAnswer(title: string, body: string): Response {
  const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="style.css"></head>
<body><h1>${escape(title)}</h1>${body}</body></html>`;
  return new Response(page, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
    },
  });
}
