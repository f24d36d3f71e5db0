/** When a cron of wrangler.toml is due, for the local start. Of the syntax it knows `M H * * *` (UTC), with `*` for M and H. */
const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

export function isEveryMinute(cron: string): boolean {
  return fieldsOf(cron).every((field) => field === null);
}

/**
 * Those crons that have a minute in (from, until], both ms since the epoch: each once, however many minutes have passed.
 * Throws an Error on a cron that it can't read.
 */
export function dueCrons(crons: readonly string[], from: number, until: number): string[] {
  const [first, last] = [Math.floor(from / MINUTE_MS) + 1, Math.floor(until / MINUTE_MS)];
  return crons.filter((cron) => {
    const [minute, hour] = fieldsOf(cron);
    // A day holds every time of day there is: longer gaps, such as a laptop's sleep, need no longer look.
    for (let at = Math.max(first, last - DAY_MINUTES + 1); at <= last; at++) {
      const date = new Date(at * MINUTE_MS);
      if (
        (minute ?? date.getUTCMinutes()) === date.getUTCMinutes() &&
        (hour ?? date.getUTCHours()) === date.getUTCHours()
      )
        return true;
    }
    return false;
  });
}

function fieldsOf(cron: string): readonly [minute: number | null, hour: number | null] {
  const [, minute, hour] = /^(\*|[0-5]?\d) (\*|1?\d|2[0-3]) \* \* \*$/.exec(cron) ?? [];
  if (minute === undefined || hour === undefined)
    throw new Error(`the cron "${cron}" isn't one that npm start can run`);
  return [minute === "*" ? null : Number(minute), hour === "*" ? null : Number(hour)];
}
