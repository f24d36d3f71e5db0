/** The page on which a person sees a tenant's documents and calls, and sets its switches: no script, all text is escaped. */
import { escape, htmlAnswer, row, table } from "../page.ts";
import type { Call, KeptFile } from "./drive.ts";
import { SWITCH_TEXT, WRONG_RANGES, type GraphSwitches, type GraphSwitchName } from "./switches.ts";

export function tenantPage(
  tenant: string,
  switches: GraphSwitches,
  files: readonly KeptFile[],
  calls: readonly Call[],
): Response {
  const fields = (Object.keys(SWITCH_TEXT) as GraphSwitchName[]).map(
    (name) => `<label><code>${name}</code>${inputOf(name, switches)}<span>${escape(SWITCH_TEXT[name])}</span></label>`,
  );
  return htmlAnswer(
    `Stand-in for Microsoft Graph, tenant ${tenant}`,
    `<h2>Switches</h2>
<form method="post" action="switches">${fields.join("\n")}<button>Set</button></form>
<form method="post" action="token-expiry"><button>Let all tokens expire</button></form>
<h2>Documents</h2>
${table(
  ["Path", "Bytes", "Stored"],
  files.map(({ path, size, stored }) => row([path, String(size), `${stored} times`])),
)}
<h2>Calls, newest first</h2>
${table(
  ["What", "Status", "Range"],
  calls.toReversed().map(({ what, status, detail }) => row([what, String(status), detail])),
)}`,
  );
}

function inputOf(name: GraphSwitchName, switches: GraphSwitches): string {
  if (name === "wrong_ranges") {
    const options = WRONG_RANGES.map(
      (one) => `<option${one === switches.wrong_ranges ? " selected" : ""}>${one}</option>`,
    );
    return `<select name="${name}">${options.join("")}</select>`;
  }
  const value = switches[name];
  return typeof value === "boolean"
    ? `<input type="checkbox" name="${name}"${value ? " checked" : ""}>`
    : `<input type="number" name="${name}" min="0" value="${value}">`;
}
