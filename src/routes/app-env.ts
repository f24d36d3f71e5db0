/** What every handler finds on its context. */
import type { Container } from "../container.ts";
import type { Principal } from "../domain/identity.ts";
import type { Trace } from "../domain/trace.ts";
import type { Env } from "../env.ts";
import type { Deadline } from "../resilience/deadline.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: {
    trace: Trace;
    deadline: Deadline;
    container: Container;
    principal: Principal;
    /** Set by `keyed` on each POST that writes. */
    idempotencyKey: string;
  };
}
