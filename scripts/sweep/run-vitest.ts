/** Runs vitest in a folder and hands over what it says, line by line, without the runtime's noise about objects that are made to die. */
import { spawn } from "node:child_process";

/** The exit code. `line` gets each line of standard output. */
export function runVitest(
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly cwd?: string },
  line: (text: string) => void,
): Promise<number> {
  const child = spawn("vitest", ["run", ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const one of lines) line(one);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
