/** The Worker under test: the product's own handlers and objects, in an environment that a test can bend (world.ts). */
import worker, * as product from "../../src/worker.ts";
import type { Env } from "../../src/env.ts";
import { sagaDefinitionsOfWorld, sagaStateThroughWorld, throughWorld } from "./world.ts";

export class DeviceHub extends product.DeviceHub {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    Object.assign(this, { env: throughWorld(env) });
  }
}

export class OrderSaga extends product.OrderSaga {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const definitions = sagaDefinitionsOfWorld();
    Object.assign(this, { ctx: sagaStateThroughWorld(ctx), env: throughWorld(env), definitions });
  }
}

export class OutboxRelay extends product.OutboxRelay {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    Object.assign(this, { env: throughWorld(env) });
  }
}

export class CircuitBreaker extends product.CircuitBreaker {
  constructor(state: DurableObjectState, env: Env) {
    super(state, throughWorld(env));
  }
}

export default {
  fetch: (request, env, ctx) => worker.fetch(request, throughWorld(env), ctx),
  queue: (batch, env, ctx) => worker.queue(batch, throughWorld(env), ctx),
  scheduled: (controller, env, ctx) => worker.scheduled(controller, throughWorld(env), ctx),
} satisfies ExportedHandler<Env>;
