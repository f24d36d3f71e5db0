/**
 * Where a webhook may be sent: an https URL with a public host name. Whatever could name a machine inside of a network is
 * refused by its spelling, at subscription and again at every try. What a public name resolves to is the platform's
 * concern: fetch on Workers has no way into a private network.
 */
import { refuse, type Refusal } from "./errors.ts";

export const TARGET_PORTS: readonly string[] = ["", "8443"]; // "" is 443
const MAX_URL_CHARACTERS = 2_000;

/** Top-level names that never belong to a public host (RFC 2606, RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476, ICANN's `internal`). */
const PRIVATE_NAMES: ReadonlySet<string> = new Set([
  "alt",
  "arpa",
  "corp",
  "example",
  "home",
  "internal",
  "intranet",
  "invalid",
  "lan",
  "local",
  "localdomain",
  "localhost",
  "mail",
  "onion",
  "private",
  "test",
]);

export type Target = { readonly ok: true; readonly url: string };

/**
 * The address as it will be called, or why not (VALIDATION). `development` lifts what would keep a receiver on one's own
 * machine out: scheme, name, port and loopback addresses; those of a network stay refused. The URL parser has turned every other spelling of an address (decimal, octal,
 * hexadecimal, percent-encoded, full-width) into the plain one before the host is judged.
 */
export function checkTarget(text: string, environment: "production" | "development"): Target | Refusal {
  if (text.length > MAX_URL_CHARACTERS) return refuse("VALIDATION", `longer than ${MAX_URL_CHARACTERS} characters`);
  if (/[\s\\\p{Cc}\p{Cf}]/u.test(text)) return refuse("VALIDATION", "holds white space, a control character or \\");
  const url = URL.parse(text);
  if (!url || !["https:", "http:"].includes(url.protocol)) return refuse("VALIDATION", "must be an https URL");
  if (url.username !== "" || url.password !== "") return refuse("VALIDATION", "must not hold a user name or password");
  if (url.hash !== "") return refuse("VALIDATION", "must not hold a fragment");
  if (environment === "development") {
    return isAddress(url.hostname) && !isOwnMachine(url.hostname)
      ? refuse("VALIDATION", "its host is an address of a network: in development only this machine's own are taken")
      : { ok: true, url: url.href };
  }
  if (url.protocol !== "https:") return refuse("VALIDATION", "must be an https URL");
  if (!TARGET_PORTS.includes(url.port)) return refuse("VALIDATION", "its port must be 443 or 8443");
  const wrong = wrongHost(url.hostname);
  return wrong === null ? { ok: true, url: url.href } : refuse("VALIDATION", wrong);
}

function isAddress(host: string): boolean {
  return host.startsWith("[") || /^\d+(?:\.\d+){3}$/.test(host);
}

function isOwnMachine(address: string): boolean {
  return address === "[::1]" || address.startsWith("127.");
}

/** `host` as the URL parser gives it: lower case, ASCII, IPv4 as four decimals, IPv6 in brackets. */
function wrongHost(host: string): string | null {
  if (isAddress(host)) return "its host is an address: a name is needed";
  if (host.endsWith(".")) return "its host ends with a dot";
  const labels = host.split(".");
  const top = labels.at(-1) ?? "";
  if (labels.length < 2 || PRIVATE_NAMES.has(top)) return "its host isn't a public name";
  const isName = labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  if (!isName || !/^(?:[a-z]{2,63}|xn--[a-z0-9-]+)$/.test(top)) return "its host isn't a public name";
  return null;
}
