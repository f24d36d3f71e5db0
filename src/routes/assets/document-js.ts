/** Where the document of a response is or goes, as the page shows it: text, a link if its store has one, and a second try. */
export const DOCUMENT_JS = String.raw`import { JSON_TYPE, post } from "/assets/client.js";
import { make } from "/assets/elements.js";

const RETRY_ROLES = ["manager", "operations"];

/** @param {string} at */
const moment = (at) => new Date(at).toLocaleString();

/** @param {{ store: string, state: string, path: string, attempts: number, error: string | null, at: string, next_attempt_at: string | null }} document */
function standing({ store, state, path, attempts, error, at, next_attempt_at: next }) {
  const tries = attempts === 1 ? "1 attempt" : attempts + " attempts";
  const failure = error ? ": " + error : "";
  if (state === "stored") return "Document stored in " + store + " at " + moment(at) + " (" + tries + "): " + path;
  if (state === "failed") return "Document given up after " + tries + " at " + store + failure;
  return "Document on its way to " + store + (attempts > 0 ? ", tried next at " + moment(next ?? at) + failure : "");
}

/**
 * @param {HTMLElement} box @param {any} request @param {string | undefined} role Unknown with a pasted token: the server knows.
 * @param {(work: () => Promise<void>) => void} run Does the work, or tells what is wrong. @param {(id: string) => void} after
 */
export function showDocument(box, request, role = RETRY_ROLES[0], run, after) {
  const document = request.response?.document;
  box.hidden = !document;
  if (!document) return;
  const parts = [make("span", standing(document))];
  // The server lets through https addresses alone.
  if (document.link) parts.push(make("a", "Open it", { href: document.link, rel: "noreferrer" }));
  if (document.state === "failed" && RETRY_ROLES.includes(role)) {
    const button = make("button", "Upload it again", { type: "button", class: "plain" });
    const again = async () => {
      await post("/api/requests/" + request.request_id + "/response/upload", JSON_TYPE, "");
      after(request.request_id);
    };
    button.addEventListener("click", () => run(again));
    parts.push(button);
  }
  box.replaceChildren(...parts.flatMap((part) => [part, " "]));
}
`;
