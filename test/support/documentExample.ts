// Runs the code of a document as a reader would: in a folder of its own, in which the package is installed
// (dist/, which `npm test` builds first) and which holds the repository's examples.

import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { transform } from "esbuild";
import ts from "typescript";
import { root, type DocumentBlock } from "./documentBlocks.ts";

/** Lines that a TypeScript program of a document prints. @throws when it fails, with what it wrote to stderr */
export async function runProgram(program: DocumentBlock): Promise<string[]> {
  const { code } = await transform(program.code, { loader: "ts", format: "esm" });
  return inReadersFolder(async (folder) => {
    await writeFile(join(folder, "example.mjs"), code);
    return (await run(process.execPath, ["example.mjs"], folder)).trimEnd().split("\n");
  });
}

/** Runs a shell block, with `gradloom` on the PATH. @throws when a command fails */
export async function runShell(block: DocumentBlock): Promise<string> {
  return inReadersFolder(async (folder) => {
    const command = join(folder, "bin", "gradloom");
    await mkdir(join(folder, "bin"));
    await writeFile(
      command,
      `#!/bin/sh\nexec '${process.execPath}' '${root}dist/cli/main.js' "$@"\n`,
    );
    await chmod(command, 0o755);
    await writeFile(join(folder, "dialogue.txt"), "#Person1#: Shall we meet at six?\n");
    return run("sh", ["-eu", "-c", block.code], folder);
  });
}

/** What a strict compiler says of TypeScript programs, as "PLACE line N: MESSAGE". */
export function compileErrors(programs: readonly DocumentBlock[]): string[] {
  const files = new Map(programs.map((p, i) => [join(root, `document-${i}.ts`), p] as const));
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ["node"],
    paths: {
      gradloom: [join(root, "dist/index.d.ts")],
      "gradloom/kernels": [join(root, "dist/kernelsEntry.d.ts")],
      "gradloom/testing": [join(root, "dist/testingEntry.d.ts")],
    },
  };
  const host = ts.createCompilerHost(options);
  const readFile = host.readFile.bind(host);
  const fileExists = host.fileExists.bind(host);
  host.readFile = (name) => files.get(name)?.code ?? readFile(name);
  host.fileExists = (name) => files.has(name) || fileExists(name);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version, ...rest) =>
    files.has(name)
      ? ts.createSourceFile(name, files.get(name)!.code, version)
      : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([...files.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const place = (file && files.get(file.fileName)?.place) ?? file?.fileName ?? "";
    const line = file ? file.getLineAndCharacterOfPosition(start ?? 0).line + 1 : 0;
    return `${place} line ${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
}

async function inReadersFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "gradloom-document-"));
  try {
    await mkdir(join(folder, "node_modules"));
    await symlink(root, join(folder, "node_modules", "gradloom"));
    await symlink(join(root, "examples"), join(folder, "examples"));
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function run(file: string, args: readonly string[], cwd: string): Promise<string> {
  const env = {
    ...process.env,
    PATH: `${join(cwd, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    GRADLOOM_CACHE: join(cwd, "cache"),
    NODE_OPTIONS: "",
  };
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
}
