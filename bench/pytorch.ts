// PyTorch beside the benches, if there is one: a process that does one piece of work a request, so that both sides
// take turns within one run and meet the same load of the machine. GRADLOOM_PYTHON names the interpreter.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface PyTorch {
  /** Does what the script is asked for, as "train"; milliseconds by part, and the peak resident MiB. */
  run(request: string): Promise<Readonly<Record<string, number>>>;
  close(): void;
}

/**
 * @param name of the script beside this file, whose arguments are the threads and `given`
 * @returns null, after a line on stderr that says why, where PyTorch or transformers is missing
 */
export async function startPyTorch(
  threads: number,
  name = "pytorchStep.py",
  given: readonly string[] = [],
): Promise<PyTorch | null> {
  const python = process.env.GRADLOOM_PYTHON ?? "python3";
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(python, [script, String(threads), ...given], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  const next = async (): Promise<Record<string, number>> => {
    const { value, done } = await Promise.race([lines.next(), failed]);
    if (done) throw new Error("it ended");
    return JSON.parse(value) as Record<string, number>;
  };
  try {
    await next();
  } catch (error) {
    console.error(`Without PyTorch: ${python} cannot run ${script} (${String(error)}).`);
    return null;
  }
  return {
    run(request) {
      child.stdin.write(`${request}\n`);
      return next();
    },
    close: () => child.stdin.end(),
  };
}
