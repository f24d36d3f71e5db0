/**
 * The input of a decision as the trace keeps it: its canonical JSON, compressed and cut into pieces that a value of the
 * database may hold. What comes out is what went in, to the byte.
 */
import { AGENT_INPUT_PIECE_BYTES } from "../config.ts";

/** At least one piece, in order. */
export async function packInput(canonical: string): Promise<Uint8Array[]> {
  const bytes = await piped(new Blob([canonical]).stream(), new CompressionStream("gzip"));
  const pieces = [bytes.subarray(0, AGENT_INPUT_PIECE_BYTES)];
  for (let from = AGENT_INPUT_PIECE_BYTES; from < bytes.length; from += AGENT_INPUT_PIECE_BYTES) {
    pieces.push(bytes.subarray(from, from + AGENT_INPUT_PIECE_BYTES));
  }
  return pieces;
}

/** Rejects with a TypeError when the pieces aren't what was packed. */
export async function unpackInput(pieces: readonly Uint8Array[]): Promise<string> {
  const whole = new Blob(pieces as Uint8Array<ArrayBuffer>[]);
  return new TextDecoder().decode(await piped(whole.stream(), new DecompressionStream("gzip")));
}

async function piped(bytes: ReadableStream, through: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  return new Uint8Array(await new Response(bytes.pipeThrough(through)).arrayBuffer());
}
