export function registerDocs(_app: unknown): void {}
