/**
 * The replay of a device that was offline: its numbered commands, accepted one by one in one call. One that can't be taken
 * is answered by itself and holds up no other; sent again, each is answered as it stands by then.
 */
import { findLastNumber } from "../db/queries/device-line.ts";
import { refuse, type InputProblem, type Refusal } from "../domain/errors.ts";
import type { Principal } from "../domain/identity.ts";
import { pointerOf } from "../domain/json-pointer.ts";
import type { Trace } from "../domain/trace.ts";
import { acceptCommands } from "./command-acceptance.ts";
import { answerOf, type CommandAnswer } from "./command-answers.ts";
import { commandSchema, type Command } from "./commands/kinds.ts";
import type { ServiceDeps } from "./deps.ts";

export interface ReplayAnswer extends Omit<CommandAnswer, "id"> {
  /** null: it named none that can be one. */
  readonly id: string | null;
  readonly device_sequence: number | null;
}

interface Replayed {
  readonly ok: true;
  /** In the order of the commands. */
  readonly answers: readonly ReplayAnswer[];
  /** The number that the device's next command may have. */
  readonly next: number;
}

/** VALIDATION when the well-formed ones aren't all numbered, in rising order; nothing is accepted then. */
export async function replayCommands(
  deps: ServiceDeps,
  principal: Principal,
  sent: readonly unknown[],
  trace: Trace,
): Promise<Replayed | Refusal> {
  const parsed = sent.map((one) => commandSchema.safeParse(one));
  const disorder = disorderOf(parsed.map((one) => (one.success ? one.data.device_sequence : null)));
  if (disorder) return disorder;
  const commands = parsed.flatMap((one) => (one.success ? [one.data] : []));
  const accepted = (await acceptCommands(deps, principal, commands, trace))[Symbol.iterator]();
  const answers = parsed.map((one, at): ReplayAnswer => {
    if (!one.success) return unreadable(sent[at], one.error.issues[0]);
    const { id, device_sequence: sequence }: Command = one.data;
    const next = accepted.next();
    const answer = answerOf(id ?? "", next.done ? refuse("INTERNAL", "not answered") : next.value);
    return { ...answer, id: id ?? null, device_sequence: sequence ?? null };
  });
  const last = await findLastNumber(deps.db, `${principal.kind}:${principal.subject}`);
  return { ok: true, answers, next: last + 1 };
}

/** `null`: not a command at all, which is answered by itself. */
function disorderOf(numbers: readonly (number | undefined | null)[]): Refusal | null {
  let last = 0;
  for (const [at, number] of numbers.entries()) {
    if (number === null) continue;
    const wrong = (detail: string) => {
      const problems: InputProblem[] = [{ pointer: `/commands/${at}/device_sequence`, detail }];
      return refuse("VALIDATION", "the commands of a replay are numbered by the device and sorted by number", {
        problems,
      });
    };
    if (number === undefined) return wrong("is missing: a command without a number isn't replayed");
    if (number <= last) return wrong(`comes after ${last}: sort by number, each once`);
    last = number;
  }
  return null;
}

function unreadable(
  sent: unknown,
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): ReplayAnswer {
  const { id, device_sequence: sequence } = (sent ?? {}) as {
    readonly id?: unknown;
    readonly device_sequence?: unknown;
  };
  const reason = `${pointerOf(issue?.path ?? [])}: ${issue?.message ?? "not a command"}`;
  return {
    id: typeof id === "string" ? id : null,
    device_sequence: typeof sequence === "number" && Number.isSafeInteger(sequence) ? sequence : null,
    status: "rejected",
    code: "VALIDATION",
    reason,
  };
}
