/** Copies of the audit seals in R2, one object a seal. A copy is written once: what is there is never replaced. */
import { parseSealCopy, type SealCopy } from "../domain/audit-seal.ts";

const PREFIX = "audit-seals/";
/** Digits of the largest seq, so that keys sort as the seals do. */
const DIGITS = 16;

function keyOf(toSeq: number): string {
  return `${PREFIX}${String(toSeq).padStart(DIGITS, "0")}.json`;
}

export function sealCopies(bucket: R2Bucket) {
  return {
    async has(toSeq: number): Promise<boolean> {
      return (await bucket.head(keyOf(toSeq))) !== null;
    },
    async put(copy: SealCopy): Promise<void> {
      await bucket.put(keyOf(copy.seal.to_seq), JSON.stringify(copy), {
        httpMetadata: { contentType: "application/json" },
        onlyIf: new Headers({ "if-none-match": "*" }),
      });
    },
    /** `null`: no such object. `"unreadable"`: it is no copy of a seal. */
    async find(toSeq: number): Promise<SealCopy | "unreadable" | null> {
      const object = await bucket.get(keyOf(toSeq));
      return object ? (parseSealCopy(await object.text()) ?? "unreadable") : null;
    },
    /** The last seqs of the copies after `after`, in order: at most a thousand. */
    async listAfter(after: number): Promise<number[]> {
      const { objects } = await bucket.list({ prefix: PREFIX, startAfter: keyOf(Math.max(after, 0)) });
      return objects.flatMap(({ key }) => {
        const seq = /^audit-seals\/(\d{16})\.json$/.exec(key)?.[1];
        return seq === undefined ? [] : [Number(seq)];
      });
    },
  };
}
