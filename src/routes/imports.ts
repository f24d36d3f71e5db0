export function registerImports(_app: unknown): void {}
