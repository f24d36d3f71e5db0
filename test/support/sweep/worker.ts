/** The Worker under the sweep: the product's own objects, each of which sees its storage and its bindings through the stage. */
import * as product from "../../../src/worker.ts";
import type { Env } from "../../../src/env.ts";
import { asItself, embody } from "./embody.ts";
import type { Incarnation } from "./stage.ts";

const lives = new WeakMap<object, Incarnation>();
const whoOf = (self: object) => lives.get(self) as Incarnation;

export class DeviceHub extends product.DeviceHub {
  constructor(real: DurableObjectState, bindings: Env) {
    super(real, bindings);
    const { who, ctx, env } = embody("HUB", real, bindings);
    lives.set(this, who);
    Object.assign(this, { ctx, env });
  }
}
asItself(DeviceHub.prototype, product.DeviceHub.prototype, whoOf);

export class OrderSaga extends product.OrderSaga {
  constructor(real: DurableObjectState, bindings: Env) {
    super(real, bindings);
    const { who, ctx, env } = embody("SAGA", real, bindings);
    lives.set(this, who);
    Object.assign(this, { ctx, env });
  }
}
asItself(OrderSaga.prototype, product.OrderSaga.prototype, whoOf);

export class OutboxRelay extends product.OutboxRelay {
  constructor(real: DurableObjectState, bindings: Env) {
    super(real, bindings);
    const { who, ctx, env } = embody("RELAY", real, bindings);
    lives.set(this, who);
    Object.assign(this, { ctx, env });
  }
}
asItself(OutboxRelay.prototype, product.OutboxRelay.prototype, whoOf);

/** itty-durable hangs what it needs on the state itself, and answers through a proxy of its own. */
export class CircuitBreaker extends product.CircuitBreaker {
  constructor(real: DurableObjectState, bindings: Env) {
    const { who, ctx, env } = embody("BREAKER", real, bindings);
    super(ctx, env);
    lives.set(this, who);
  }
}
asItself(CircuitBreaker.prototype, product.CircuitBreaker.prototype, whoOf);

export { default } from "../../../src/worker.ts";
