/**
 * Document paths as SharePoint takes them. Different paths have different names there, and no path leads out of the drive.
 * Source: Microsoft's "Restrictions and limitations in OneDrive and SharePoint", and RFC 3986 for the address.
 */
import { SHAREPOINT_PATH_CHARACTERS } from "../config.ts";
import { AppError } from "../domain/errors.ts";

/** What SharePoint takes in no name (`#` not in every tenant), the percent sign that we write such characters with, control characters. */
const WRITTEN_OUT = /["*:<>?\\|#%\p{Cc}]|^[ ~]|[ .]$/gu;
const RESERVED = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|^(?:desktop\.ini|\.lock)$|_vti_/i;
/** Left as they are by `encodeURIComponent`, but of a meaning of their own in OData addresses. */
const LEFT_OPEN = /[!'()*]/g;

export interface SharepointPath {
  /** The document's own name. */
  readonly name: string;
  /** `a/b/c`, ready for an address. */
  readonly encoded: string;
}

/**
 * `a/b/c` for the drive. Characters that a name can't have are written as `%XX`. Throws INTERNAL, which no repetition
 * changes and no breaker counts, for an empty step, `.` or `..`, a reserved name, and a path that is too long.
 */
export function sharepointPath(path: string): SharepointPath {
  const names = path.split("/").map((step) => nameOf(step, path));
  const whole = names.join("/");
  if (whole.length > SHAREPOINT_PATH_CHARACTERS) {
    throw refused(path, `it is longer than ${SHAREPOINT_PATH_CHARACTERS} characters`);
  }
  return { name: names.at(-1) ?? "", encoded: names.map(encodeStep).join("/") };
}

function nameOf(step: string, path: string): string {
  if (step === "" || step === "." || step === "..") throw refused(path, "an empty step, . or .. leads elsewhere");
  if (!step.isWellFormed()) throw refused(path, "half a character is in it");
  if (RESERVED.test(step)) throw refused(path, `the name ${step} is reserved`);
  return step.replaceAll(WRITTEN_OUT, percent);
}

function encodeStep(step: string): string {
  return encodeURIComponent(step).replaceAll(LEFT_OPEN, percent);
}

function percent(character: string): string {
  return `%${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function refused(path: string, why: string): AppError {
  return new AppError("INTERNAL", `sharepoint: ${JSON.stringify(path)} can't be a document's path: ${why}`);
}
