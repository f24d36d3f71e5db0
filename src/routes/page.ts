export function registerPage(_app: unknown): void {}
