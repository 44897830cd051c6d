// A WGSL mistake as one readable error: which kernel, what is wrong, and the numbered lines around it.

import { KernelError } from "../errors.ts";

const CONTEXT = 3;

/** Makes the error of a pipeline that did not compile. */
export async function shaderError(
  label: string,
  source: string,
  module: GPUShaderModule,
  cause: unknown,
): Promise<KernelError> {
  const info = await module.getCompilationInfo().catch(() => null);
  const messages = info?.messages.filter(({ type }) => type === "error") ?? [];
  const reason = cause instanceof Error ? cause.message : String(cause);
  const text =
    messages.length === 0
      ? reason
      : messages.map((message) => describe(source, message)).join("\n");
  return new KernelError(label, `its WGSL must compile, got ${text}\n${constantsOf(source)}`, {
    cause,
  });
}

function describe(
  source: string,
  { message, lineNum, linePos }: Pick<GPUCompilationMessage, "message" | "lineNum" | "linePos">,
): string {
  const lines = source.split("\n");
  const first = Math.max(0, lineNum - 1 - CONTEXT);
  const excerpt = lines.slice(first, lineNum + CONTEXT).map((line, i) => {
    const number = first + i + 1;
    const pointer = number === lineNum ? `\n${" ".repeat(8 + linePos - 1)}^` : "";
    return `${number === lineNum ? ">" : " "}${String(number).padStart(5)}  ${line}${pointer}`;
  });
  return `${message} (line ${lineNum}:${linePos})\n${excerpt.join("\n")}`;
}

function constantsOf(source: string): string {
  const constants = [...source.matchAll(/^const (\w+): \w+ = (.*);$/gm)];
  return `with ${constants.map(([, name, value]) => `${name} = ${value}`).join(", ")}`;
}
