/** One JSON line per fact, with the trace id, to the platform's log. Never a secret, never a body. */
export function log(
  level: "info" | "warn" | "error",
  event: string,
  facts: Readonly<Record<string, unknown>> = {},
): void {
  const line = JSON.stringify({ level, event, ...facts });
  if (level === "error") console.error(line);
  else if (level === "warn") console.warn(line);
  else console.log(line);
}
