/** The Worker under test: the product's own, in the same isolate as the tests. */
export { default } from "../../src/worker.ts";
export * from "../../src/worker.ts";
