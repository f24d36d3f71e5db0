/** Many rows as few bound values: D1 takes 2 MB a value and 100 values a statement, so rows travel as JSON arrays. */

/** One row for the database, by column. `at` is its line in the file. */
export type ImportRecord = { readonly at: number } & Readonly<Record<string, string | number | boolean | null>>;

export interface Chunk<R extends ImportRecord = ImportRecord> {
  readonly json: string;
  readonly rows: readonly R[];
}

/** Below the 2 MB of a value, with room for the statement's others. */
const CHUNK_BYTES = 1_500_000;

/**
 * Cuts the rows into JSON arrays of at most 1.5 MB, in order. Rows that `together` names alike stand side by side and
 * are never cut apart; such a group must fit into one chunk.
 */
export function chunksOf<R extends ImportRecord>(rows: readonly R[], together?: (row: R) => string): Chunk<R>[] {
  const encoder = new TextEncoder();
  const chunks: Chunk<R>[] = [];
  let group: { rows: R[]; texts: string[]; bytes: number } = { rows: [], texts: [], bytes: 0 };
  let current: typeof group = { rows: [], texts: [], bytes: 0 };
  const closeChunk = (): void => {
    if (current.rows.length > 0) chunks.push({ json: `[${current.texts.join(",")}]`, rows: current.rows });
    current = { rows: [], texts: [], bytes: 0 };
  };
  const closeGroup = (): void => {
    if (current.bytes + group.bytes > CHUNK_BYTES) closeChunk();
    current.rows.push(...group.rows);
    current.texts.push(...group.texts);
    current.bytes += group.bytes;
    group = { rows: [], texts: [], bytes: 0 };
  };
  let name: string | undefined;
  for (const row of rows) {
    const next = together?.(row);
    if (together === undefined || next !== name) closeGroup();
    name = next;
    const text = JSON.stringify(row);
    group.rows.push(row);
    group.texts.push(text);
    group.bytes += encoder.encode(text).byteLength + 1;
  }
  closeGroup();
  closeChunk();
  return chunks;
}
