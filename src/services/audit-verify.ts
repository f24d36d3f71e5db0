/**
 * Verifies the trail against its seals and the seals against their copies, a bounded number of seals a call. Where seal
 * and copy differ the signature says which is genuine, so that whoever owns only the database is found out by the copies.
 */
import { AUDIT_SEAL_AFTER_MS } from "../config.ts";
import {
  findLastSeal,
  findRowsBelow,
  listAuditRows,
  listSealsAfter,
  summariseUnsealed,
} from "../db/queries/audit-seals.ts";
import { finding, findingsOfRange, type Finding } from "../domain/audit-findings.ts";
import { NO_SEAL_BEFORE, sealText, signedText, type Seal, type SealCopy } from "../domain/audit-seal.ts";
import { digestsOf } from "./audit-seals.ts";
import type { ServiceDeps } from "./deps.ts";

export interface VerifyDeps extends Pick<ServiceDeps, "db" | "clock" | "sha256"> {
  readonly keys: {
    readonly verify: (keyId: string, text: string, signature: string) => Promise<"good" | "bad" | "unknown_key">;
  };
  readonly copies: {
    readonly find: (toSeq: number) => Promise<SealCopy | "unreadable" | null>;
    readonly listAfter: (after: number) => Promise<number[]>;
  };
}

export interface Verification {
  readonly findings: readonly Finding[];
  readonly seals: number;
  readonly rows: number;
  /** Where the next call goes on; null: the end of the chain was reached. */
  readonly next: number | null;
  readonly unsealed: { readonly rows: number; readonly from_seq: number | null; readonly age_s: number | null };
}

/** The end of one seal as its database row and its copy tell of it. */
interface Link {
  readonly toSeq: number;
  readonly seal: Seal | null;
}

/** Where the chain stands: what the next seal must go on from. */
interface Place {
  readonly toSeq: number | null;
  readonly hash: string;
}

/** Verifies the seals that end after `after`, at most `limit` of them. */
export async function verifyAudit(deps: VerifyDeps, after: number, limit: number): Promise<Verification> {
  const { links, complete } = await linksAfter(deps, after, limit);
  const head = await findLastSeal(deps.db);
  const tail = await summariseUnsealed(deps.db);
  let place = await placeAt(deps, after, head);
  const findings: Finding[] = after < 1 ? await sealsBelowFirst(deps) : [];
  let rows = 0;
  for (const link of links) {
    const checked = await checkLink(deps, link, { place, head, highest: tail.highest });
    findings.push(...checked.findings);
    rows += checked.rows;
    place = checked.place;
  }
  const age = tail.oldest_at === null ? null : Math.max(0, deps.clock.now() - Date.parse(tail.oldest_at));
  return {
    findings,
    seals: links.length,
    rows,
    next: complete ? null : (links.at(-1)?.toSeq ?? null),
    unsealed: { rows: tail.rows, from_seq: tail.from_seq, age_s: age === null ? null : Math.floor(age / 1000) },
  };
}

/** Where the chain stands after the seals up to `after`: the last of them may be there by its copy only. */
async function placeAt(deps: VerifyDeps, after: number, head: Seal | null): Promise<Place> {
  // No row has a seq below 1, so nothing that a database says of what lies there is a place to go on from.
  if (after < 1) return { toSeq: null, hash: NO_SEAL_BEFORE };
  const before = await findLastSeal(deps.db, after);
  const seal = before?.to_seq === after ? before : null;
  const { trusted } = await judge(deps, { toSeq: after, seal }, await deps.copies.find(after), head);
  const last = trusted ?? before;
  return last ? { toSeq: last.to_seq, hash: last.hash } : { toSeq: null, hash: NO_SEAL_BEFORE };
}

async function sealsBelowFirst(deps: VerifyDeps): Promise<Finding[]> {
  const seal = await findLastSeal(deps.db, 0);
  return seal
    ? [finding("seal_edited", [seal.from_seq, seal.to_seq], "lies below the first row: it was never made")]
    : [];
}

/** Seals and copies, merged by their last seq: a seal whose row is gone is there by its copy. */
async function linksAfter(deps: VerifyDeps, after: number, limit: number) {
  const seals = await listSealsAfter(deps.db, after, limit);
  const copied = await deps.copies.listAfter(after);
  const last = seals.length < limit ? Number.POSITIVE_INFINITY : (seals.at(-1)?.to_seq ?? after);
  const known = new Set(seals.map((seal) => seal.to_seq));
  const links: Link[] = [
    ...seals.map((seal) => ({ toSeq: seal.to_seq, seal })),
    ...copied.filter((seq) => seq <= last && !known.has(seq)).map((toSeq) => ({ toSeq, seal: null })),
  ].toSorted((a, b) => a.toSeq - b.toSeq);
  return { links: links.slice(0, limit), complete: seals.length < limit && links.length <= limit };
}

interface Surroundings {
  readonly place: Place;
  readonly head: Seal | null;
  readonly highest: number;
}

async function checkLink(
  deps: VerifyDeps,
  link: Link,
  { place, head, highest }: Surroundings,
): Promise<{ findings: Finding[]; rows: number; place: Place }> {
  const { toSeq, seal } = link;
  const copy = await deps.copies.find(toSeq);
  const { trusted, findings } = await judge(deps, link, copy, head);
  if (!trusted) return { findings, rows: 0, place };

  const expected = place.toSeq === null ? Math.min(trusted.from_seq, 1) : place.toSeq + 1;
  const fits = trusted.from_seq === expected && trusted.prev === place.hash;
  if (!fits && seal) findings.push(misfit(trusted, expected));
  const below = place.toSeq === null ? await findRowsBelow(deps.db, trusted.from_seq) : null;
  if (below) findings.push(finding("inserted", below, "lie below the first seal"));

  const found = await digestsOf(deps, await listAuditRows(deps.db, trusted.from_seq, trusted.to_seq));
  const hash = await deps.sha256(sealText(trusted.prev, found));
  const sealed = await genuineDigests(deps, trusted, copy);
  if (!sealed && copy && !findings.some(({ kind }) => kind === "copy_edited")) {
    findings.push(finding("copy_edited", [trusted.from_seq, toSeq], "its digests aren't those that were sealed"));
  }
  findings.push(...findingsOfRange({ seal: trusted, hash, found, sealed, highest }));
  // A copy without its seal goes on with the chain only where it fits: after a cut another seal may stand in its place.
  const goesOn = fits || seal !== null;
  return { findings, rows: found.length, place: goesOn ? { toSeq: trusted.to_seq, hash: trusted.hash } : place };
}

function misfit(seal: Seal, expected: number): Finding {
  return seal.from_seq > expected
    ? finding("seal_deleted", [expected, seal.from_seq - 1], "no seal covers these rows any more")
    : finding("chain_broken", [seal.from_seq, seal.to_seq], "doesn't go on from the seal before");
}

/** Which of the two to believe, and what is to be said of the other. */
async function judge(
  deps: VerifyDeps,
  { toSeq, seal }: Link,
  copy: SealCopy | "unreadable" | null,
  head: Seal | null,
): Promise<{ trusted: Seal | null; findings: Finding[] }> {
  const copied = copy === "unreadable" || copy?.seal.to_seq !== toSeq ? null : copy.seal;
  const range: readonly [number, number] = [seal?.from_seq ?? copied?.from_seq ?? toSeq, toSeq];
  const say = (kind: Finding["kind"], detail: string) => finding(kind, range, detail);
  const [ours, theirs] = await Promise.all([signatureOf(deps, seal), signatureOf(deps, copied)]);

  const findings: Finding[] = [];
  if (ours === "unknown_key") findings.push(say("unknown_key", `no key ${seal?.key_id} is configured`));
  else if (ours === "bad") findings.push(say("seal_edited", "its signature doesn't fit"));
  if (copy === null) {
    const justMade =
      seal?.to_seq === head?.to_seq && deps.clock.now() - Date.parse(seal?.sealed_at ?? "") < AUDIT_SEAL_AFTER_MS;
    if (!justMade) findings.push(say("copy_missing", "the copy of this seal is gone"));
  } else if (theirs !== "good" && !(theirs === "unknown_key" && ours === "unknown_key")) {
    findings.push(say("copy_edited", "the copy of this seal is none, or its signature doesn't fit"));
  } else if (ours === theirs && seal && copied && signedText(seal) !== signedText(copied)) {
    findings.push(say("seal_edited", "another seal than the one that was copied"));
  }
  if (!seal && copied && theirs === "good") {
    const kind = toSeq > (head?.to_seq ?? Number.NEGATIVE_INFINITY) ? "seal_cut" : "seal_deleted";
    findings.push(say(kind, "the copy is there, the seal is gone"));
  }
  return { trusted: theirs === "good" ? copied : (seal ?? null), findings };
}

async function signatureOf(deps: VerifyDeps, seal: Seal | null): Promise<"good" | "bad" | "unknown_key" | null> {
  return seal && deps.keys.verify(seal.key_id, signedText(seal), seal.signature);
}

/** The copy's digests, where they are the ones that the genuine seal was made of. */
async function genuineDigests(deps: VerifyDeps, seal: Seal, copy: SealCopy | "unreadable" | null) {
  if (copy === null || copy === "unreadable") return null;
  return (await deps.sha256(sealText(seal.prev, copy.digests))) === seal.hash ? copy.digests : null;
}
