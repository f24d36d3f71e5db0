/** The use case behind every keyed write, with a write of the test's own: what runs, what is stored, what a loser sees. */
import { createExecutionContext } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { beforeAll, beforeEach, describe, it } from "vitest";
import { createContainer, type Container } from "../../src/container.ts";
import { refuse, type Refusal } from "../../src/domain/errors.ts";
import { answerOnce } from "../../src/services/answer-once.ts";
import { env, startWorld } from "../support/harness.ts";

interface Named {
  readonly ok: true;
  readonly id: string;
}

let asks = 0;
let container: Container;
beforeAll(startWorld);
beforeEach(() => {
  container = createContainer(env, createExecutionContext());
});

const intentOf = (id: string, bodyHash = "h") => ({ scope: "POST /test person:t", id, bodyHash });
const insertRegion = (id: string) => ({ statement: sql`INSERT INTO regions(id, name) VALUES (${id}, ${id})` });
const has = async (id: string) =>
  (await env.DB.prepare("SELECT COUNT(*) AS n FROM regions WHERE id = ?").bind(id).first<number>("n")) === 1;

/** Every ask makes a thing under an id of its own, as the services do; `between` runs after its batch. */
function ask(key: string, between: (id: string) => Promise<unknown> = async () => undefined) {
  const id = `${key}-${++asks}`;
  return answerOnce<Container, Named>(container, {
    intent: intentOf(key),
    trace: container.newTrace(),
    write: async (deps) => {
      const named: Named = { ok: true, id };
      const committed = await deps.commit({
        trace: container.newTrace(),
        answers: named,
        writes: [insertRegion(id)],
      });
      if (!committed.ok) return refuse(committed.code, "not made");
      await between(id);
      return named;
    },
    textOf: (done) => JSON.stringify(done),
    textOfRefusal: () => null,
  });
}

describe("of many at once under one key", () => {
  it("a slower one that finds nothing left to do has the answer of the faster one", async ({ expect }) => {
    const key = "gone";
    const slower = await answerOnce<Container, Named>(container, {
      intent: intentOf(key),
      trace: container.newTrace(),
      write: async () => {
        await ask(key); // between the slower one's look at its key and its look at the thing
        return refuse("NOT_FOUND", "nothing is left to do");
      },
      textOf: (done) => JSON.stringify(done),
      textOfRefusal: () => null,
    });
    expect(slower).toMatchObject({ ok: true, replayed: true, text: expect.stringContaining("gone-") });
  });

  it("nothing of a loser runs on as if its batch had been committed", async ({ expect }) => {
    const ranOn: string[] = [];
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        ask("race", async (id) => {
          ranOn.push(id);
          if (!(await has(id))) throw new Error("what was made isn't there");
        }),
      ),
    );
    expect(ranOn).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.ok && answer.text))).toEqual(
      new Set([JSON.stringify({ ok: true, id: ranOn[0] })]),
    );
    expect(answers.filter((answer) => answer.ok && !answer.replayed)).toHaveLength(1);
  });
});

it("a refusal that is to be kept gives way to an answer that was stored while it was found", async ({ expect }) => {
  let begun = () => {};
  const refuserBegan = new Promise<void>((resolve) => (begun = resolve));
  let done = () => {};
  const otherIsDone = new Promise<void>((resolve) => (done = resolve));
  const refusing = answerOnce<Container, Named>(container, {
    intent: intentOf("gives-way"),
    trace: container.newTrace(),
    write: async () => {
      begun();
      await otherIsDone;
      return refuse("INSUFFICIENT_STOCK", "the other one took it");
    },
    textOf: (one) => JSON.stringify(one),
    textOfRefusal: ({ reason }) => reason,
  });
  await refuserBegan;
  const other = await ask("gives-way");
  done();
  expect(await refusing).toEqual({ ...other, replayed: true });
});

describe("a write", () => {
  it("that fails after its batch is answered with what is committed when it is sent again", async ({ expect }) => {
    let made = "";
    const failing = ask("fails-late", async (id) => {
      made = id;
      throw new Error("the mail is down");
    });
    await expect(failing).rejects.toThrow("the mail is down");
    expect(await ask("fails-late")).toEqual({
      ok: true,
      replayed: true,
      text: JSON.stringify({ ok: true, id: made }),
    });
  });

  it("without a batch of its own has its answer stored at the end, once", async ({ expect }) => {
    let runs = 0;
    const idle = () =>
      answerOnce<Container, Named>(container, {
        intent: intentOf("idle"),
        trace: container.newTrace(),
        write: async () => ({ ok: true, id: `run-${++runs}` }),
        textOf: ({ id }) => id,
        textOfRefusal: () => null,
      });
    const answers = [await idle(), ...(await Promise.all([idle(), idle()]))];
    expect(answers.map((answer) => answer.ok && answer.text)).toEqual(["run-1", "run-1", "run-1"]);
    expect(runs).toBe(1);
  });

  it("of several batches stores its answer with the one that says so, and no other", async ({ expect }) => {
    const answer = await answerOnce<Container, Named>(container, {
      intent: intentOf("several"),
      trace: container.newTrace(),
      write: async (deps) => {
        const done: Named = { ok: true, id: "several-2" };
        await deps.commit({ trace: container.newTrace(), writes: [insertRegion("several-1")] });
        await deps.commit({ trace: container.newTrace(), answers: done, writes: [insertRegion("several-2")] });
        await deps.commit({ trace: container.newTrace(), answers: done, writes: [insertRegion("several-3")] });
        return done;
      },
      textOf: ({ id }) => id,
      textOfRefusal: () => null,
    });
    expect(answer).toEqual({ ok: true, text: "several-2", replayed: false });
    expect(await Promise.all(["several-1", "several-2", "several-3"].map(has))).toEqual([true, true, true]);
  });
});

it("a refusal that keeps nothing may turn out otherwise; one that is kept stays, whatever the write would do now", async ({
  expect,
}) => {
  let outcome: Named | Refusal = refuse("UNKNOWN_REFERENCE", "not yet");
  const turning = () =>
    answerOnce<Container, Named>(container, {
      intent: intentOf("turning"),
      trace: container.newTrace(),
      write: async () => outcome,
      textOf: ({ id }) => id,
      textOfRefusal: ({ code, reason }) => (code === "INSUFFICIENT_STOCK" ? reason : null),
    });
  expect(await turning()).toEqual(outcome);
  outcome = refuse("INSUFFICIENT_STOCK", "too few");
  expect(await turning()).toEqual({ ok: true, text: "too few", replayed: false });
  outcome = { ok: true, id: "enough" };
  expect(await turning()).toEqual({ ok: true, text: "too few", replayed: true });
});
