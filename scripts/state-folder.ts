/**
 * The state folder of a local Waybill: it belongs to one running process at a time, and keeps the keys that sign tokens
 * and audit seals, so that both outlive a restart.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../src/domain/errors.ts";
import { SECRET_BYTES, secretOf } from "../src/domain/webhook-signature.ts";

const OTHER_FOLDER = "Or choose another: WAYBILL_STATE=folder npm start";

export interface StateFolder {
  /** ES256 private key, JWK as JSON. Made on the first start; the file is readable by its owner only. */
  readonly privateJwk: string;
  /** The same for audit seals. */
  readonly auditKey: string;
  /** `whsec_…`: signs the calls to the stand-in supplier, which verifies them with the same. Kept in the same way. */
  readonly supplierSecret: string;
  /** Lets another Waybill have the folder. The end of the process does so too, however it ends. */
  release(): void;
}

/** Throws an Error of one line if the folder can't be written, holds a broken key, or belongs to a running Waybill. */
export async function openStateFolder(path: string): Promise<StateFolder> {
  try {
    makeFolder(path);
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(`State folder ${path} can't be written (${codeOf(error)}). Make it writable. ${OTHER_FOLDER}`, {
      cause: error,
    });
  }
  const lock = lockFile(path);
  try {
    return {
      privateJwk: await privateKeyIn(path, "auth-private.jwk"),
      auditKey: await privateKeyIn(path, "audit-private.jwk"),
      supplierSecret: secretIn(path, "supplier.secret"),
      release: () => lock.close(),
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Node's own `recursive` never returns where a folder can't be made although its parent is there, such as in /proc. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST" && statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path) throw error;
    makeFolder(parent);
    mkdirSync(path, { mode: 0o700 });
  }
}

/** SQLite's file lock: the kernel frees it when its owner dies, so no stale lock is ever left to clean up. */
function lockFile(path: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(path, "lock"));
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    const busy = error instanceof Error && /locked|busy/i.test(error.message);
    throw new Error(
      busy
        ? `State folder ${path} is in use by another running Waybill. Stop that one. ${OTHER_FOLDER}`
        : `State folder ${path} can't be locked (${messageOf(error)}). Make it writable. ${OTHER_FOLDER}`,
      { cause: error },
    );
  }
}

function secretIn(path: string, name: string): string {
  const file = join(path, name);
  if (!existsSync(file)) writeSecret(file, secretOf(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))));
  return readFileSync(file, "utf8").trim();
}

/** Written whole or not at all: a kill in between must not leave half a key. */
function writeSecret(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}

async function privateKeyIn(path: string, name: string): Promise<string> {
  const file = join(path, name);
  if (!existsSync(file)) writeSecret(file, await newPrivateKey());
  const text = readFileSync(file, "utf8");
  if (!isPrivateKey(text)) {
    throw new Error(`${file} holds no ES256 private key. Delete it: the next start makes a new one.`);
  }
  return text;
}

async function newPrivateKey(): Promise<string> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  // Without `key_ops`: the public half is made from this by leaving out `d`, and may not say "sign".
  const { kty, crv, x, y, d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  return JSON.stringify({ kty, crv, x, y, d, alg: "ES256" });
}

function isPrivateKey(text: string): boolean {
  try {
    const key = JSON.parse(text) as Record<string, unknown> | null;
    return key?.["kty"] === "EC" && key["crv"] === "P-256" && [key["x"], key["y"], key["d"]].every(isText);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
