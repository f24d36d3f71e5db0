/** `npx node scripts/verify-audit.ts export.ndjson`: checks an export of the audit trail; ends with 1 if it doesn't hold. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { checkAuditLines } from "./audit-lines.ts";

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("Name the export: npx node scripts/verify-audit.ts export.ndjson");
  process.exit(1);
}
const report = await checkAuditLines(createInterface({ input: createReadStream(file), crlfDelay: Infinity }));
for (const problem of report.problems) console.log(problem);
console.log(
  `rows=${report.rows} seals=${report.seals} unsealed=${report.unsealed} problems=${report.problems.length} head=${report.head}`,
);
console.log(`signed by ${report.keyIds.join(", ") || "nobody"}`);
process.exitCode = report.problems.length === 0 ? 0 : 1;
