/**
 * What a tenant keeps: its documents, its upload sessions with the bytes they have so far, its tokens, and every call that it
 * got. A document is there whole or not at all.
 */

/** A value in an object's SQLite has at most 2 MB. */
const CHUNK_BYTES = 1024 * 1024;

export interface KeptFile {
  readonly path: string;
  readonly size: number;
  readonly content_type: string;
  /** How often it was stored. */
  readonly stored: number;
}

export interface Session {
  readonly id: string;
  readonly path: string;
  readonly behaviour: string;
  /** Of the whole document; 0 until the first fragment. */
  readonly total: number;
  readonly received: number;
  readonly fragments: number;
}

export interface Call {
  readonly what: string;
  readonly status: number;
  readonly detail: string;
}

type Row<T> = Record<string, SqlStorageValue> & { [K in keyof T]: T[K] & SqlStorageValue };

export class Drive {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(`
      CREATE TABLE IF NOT EXISTS files (
        path TEXT PRIMARY KEY COLLATE NOCASE, size INTEGER NOT NULL, content_type TEXT NOT NULL, stored INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS sessions (
        id TEXT PRIMARY KEY, path TEXT NOT NULL, behaviour TEXT NOT NULL, total INTEGER NOT NULL DEFAULT 0,
        received INTEGER NOT NULL DEFAULT 0, fragments INTEGER NOT NULL DEFAULT 0);
      CREATE TABLE IF NOT EXISTS chunks (
        owner TEXT NOT NULL COLLATE NOCASE, at INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (owner, at));
      CREATE TABLE IF NOT EXISTS tokens (text TEXT PRIMARY KEY, audience TEXT NOT NULL, until INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS calls (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, status INTEGER NOT NULL, detail TEXT NOT NULL);`);
  }

  file(path: string): KeptFile | null {
    return this.#sql.exec<Row<KeptFile>>("SELECT * FROM files WHERE path = ?", path).toArray()[0] ?? null;
  }

  files(): KeptFile[] {
    return this.#sql.exec<Row<KeptFile>>("SELECT * FROM files ORDER BY path").toArray();
  }

  content(path: string): Uint8Array<ArrayBuffer> {
    return joined(this.#chunks(`file:${path}`));
  }

  /** Replaces what is at the path. True: nothing was. */
  store(path: string, contentType: string, bytes: Uint8Array): boolean {
    const owner = `file:${path}`;
    this.#sql.exec("DELETE FROM chunks WHERE owner = ?", owner);
    this.#addChunks(owner, 0, bytes);
    return this.#noteStored(path, contentType, bytes.byteLength);
  }

  begin(path: string, behaviour: string): Session {
    const id = crypto.randomUUID();
    this.#sql.exec("INSERT INTO sessions (id, path, behaviour) VALUES (?, ?, ?)", id, path, behaviour);
    return { id, path, behaviour, total: 0, received: 0, fragments: 0 };
  }

  session(id: string): Session | null {
    return this.#sql.exec<Row<Session>>("SELECT * FROM sessions WHERE id = ?", id).toArray()[0] ?? null;
  }

  sessions(): Session[] {
    return this.#sql.exec<Row<Session>>("SELECT * FROM sessions").toArray();
  }

  /** Adds bytes to the end of what the session has. */
  append(session: Session, total: number, bytes: Uint8Array): Session {
    this.#addChunks(`session:${session.id}`, session.received, bytes);
    const received = session.received + bytes.byteLength;
    this.#sql.exec(
      "UPDATE sessions SET total = ?, received = ?, fragments = fragments + 1 WHERE id = ?",
      total,
      received,
      session.id,
    );
    return { ...session, total, received, fragments: session.fragments + 1 };
  }

  /** Makes the session's bytes the document at the path, and ends the session. True: nothing was there. */
  complete({ id, total }: Session, path: string): boolean {
    this.#sql.exec("DELETE FROM chunks WHERE owner = ?", `file:${path}`);
    this.#sql.exec("UPDATE chunks SET owner = ? WHERE owner = ?", `file:${path}`, `session:${id}`);
    this.#sql.exec("DELETE FROM sessions WHERE id = ?", id);
    return this.#noteStored(path, "application/octet-stream", total);
  }

  endSession(id: string): void {
    this.#sql.exec("DELETE FROM chunks WHERE owner = ?", `session:${id}`);
    this.#sql.exec("DELETE FROM sessions WHERE id = ?", id);
  }

  addToken(text: string, audience: string, until: number): void {
    this.#sql.exec("INSERT INTO tokens (text, audience, until) VALUES (?, ?, ?)", text, audience, until);
  }

  token(text: string): { readonly audience: string; readonly until: number } | null {
    type Known = { audience: string; until: number };
    return this.#sql.exec<Known>("SELECT audience, until FROM tokens WHERE text = ?", text).toArray()[0] ?? null;
  }

  expireTokens(): void {
    this.#sql.exec("UPDATE tokens SET until = 0");
  }

  noteCall({ what, status, detail }: Call): void {
    this.#sql.exec("INSERT INTO calls (what, status, detail) VALUES (?, ?, ?)", what, status, detail);
  }

  /** The last ones, oldest first. */
  calls(most: number): Call[] {
    const sql = "SELECT what, status, detail FROM (SELECT * FROM calls ORDER BY seq DESC LIMIT ?) ORDER BY seq";
    return this.#sql.exec<Row<Call>>(sql, most).toArray();
  }

  #noteStored(path: string, contentType: string, size: number): boolean {
    const isNew = this.file(path) === null;
    this.#sql.exec(
      `INSERT INTO files (path, size, content_type, stored) VALUES (?1, ?2, ?3, 1)
       ON CONFLICT DO UPDATE SET size = ?2, content_type = ?3, stored = stored + 1`,
      path,
      size,
      contentType,
    );
    return isNew;
  }

  #addChunks(owner: string, offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
      const chunk = bytes.slice(at, at + CHUNK_BYTES);
      this.#sql.exec("INSERT INTO chunks (owner, at, bytes) VALUES (?, ?, ?)", owner, offset + at, chunk);
    }
  }

  #chunks(owner: string): Uint8Array[] {
    return this.#sql
      .exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM chunks WHERE owner = ? ORDER BY at", owner)
      .toArray()
      .map(({ bytes }) => new Uint8Array(bytes));
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
