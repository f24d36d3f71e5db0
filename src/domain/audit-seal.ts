/**
 * What a seal binds: the texts that are hashed and signed, so that anyone with the rows and the public key gets the same.
 * A row's digest leaves its seq out, which stands beside it: so rows that were swapped are told from rows that were edited.
 */
import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";

/** A row of the trail as it is stored: `before` and `after` are JSON texts. */
export interface AuditRow {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly actor_kind: string;
  readonly action: string;
  readonly subject: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly reason: string | null;
  readonly trace: string;
}

const sealSchema = z.object({
  from_seq: z.int(),
  to_seq: z.int(),
  row_count: z.int(),
  /** Hash of the seal before. */
  prev: z.string(),
  hash: z.string(),
  sealed_at: z.string(),
  key_id: z.string(),
  signature: z.string(),
});
export type Seal = z.output<typeof sealSchema>;

/** A row's place and the SHA-256 of its text, hex. */
export interface RowDigest {
  readonly seq: number;
  readonly digest: string;
}

/** What is kept outside of the database: the seal, and the digest of each row, so that a changed row can be named. */
const sealCopySchema = z.object({
  seal: sealSchema,
  digests: z.array(z.object({ seq: z.int(), digest: z.string() })),
});
export type SealCopy = z.output<typeof sealCopySchema>;

/** The `prev` of the first seal. */
export const NO_SEAL_BEFORE = "0".repeat(64);

/** What a row's digest is made of: a JSON array of its nine values. */
export function rowText(row: AuditRow): string {
  const { at, actor, actor_kind: kind, action, subject, before, after, reason, trace } = row;
  return JSON.stringify([at, actor, kind, action, subject, before, after, reason, trace]);
}

/** What a seal's hash is made of: the hash before it, then `{seq} {digest}` of each row in order, a line each. */
export function sealText(prev: string, digests: readonly RowDigest[]): string {
  return [prev, ...digests.map(({ seq, digest }) => `${seq} ${digest}`)].map((line) => `${line}\n`).join("");
}

/** What is signed: canonical JSON of every field but the signature. */
export function signedText(seal: Omit<Seal, "signature">): string {
  const { from_seq, to_seq, row_count, prev, hash, sealed_at, key_id } = seal;
  return canonicalJson({ from_seq, to_seq, row_count, prev, hash, sealed_at, key_id });
}

/** The copy, or null when the text isn't one. */
export function parseSealCopy(text: string): SealCopy | null {
  try {
    const parsed = sealCopySchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
