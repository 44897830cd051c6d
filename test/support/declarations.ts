// What the package declares to TypeScript: the .d.ts files that the build writes, made in memory, and programs that import them.

import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import ts from "typescript";
import { isFull } from "./full.ts";
import { absolutePath } from "./sources.ts";

/** Where the package lies for the programs made here; nothing is written there. */
const HOME = absolutePath("node_modules/.declarations");
const PACKAGE = `${HOME}/node_modules/gradloom`;

/** Of gradloom/kernels and gradloom/testing, which offer what is not in the main entry. */
const ENTRIES = ["kernelsEntry", "testingEntry"];

/** Declarations by the path that the package gives them, with its package.json: of the last build, in a full run of now. */
export function emitDeclarations(): Map<string, string> {
  return isFull ? emitted() : built();
}

function base(): Map<string, string> {
  return new Map([
    [`${PACKAGE}/package.json`, readFileSync(absolutePath("package.json"), "utf8")],
    // Without a package of its own a program here would be part of this repository, whose name leads to the last build.
    [`${HOME}/package.json`, '{ "name": "consumer" }'],
  ]);
}

function built(): Map<string, string> {
  const files = base();
  for (const file of readdirSync(absolutePath("dist"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".d.ts")) continue;
    files.set(`${PACKAGE}/dist/${file}`, readFileSync(absolutePath(`dist/${file}`), "utf8"));
  }
  return files;
}

function emitted(): Map<string, string> {
  const path = absolutePath("tsconfig.build.json");
  const config = ts.parseJsonConfigFileContent(
    ts.readConfigFile(path, (file) => ts.sys.readFile(file)).config,
    ts.sys,
    dirname(path),
  );
  const outDir = `${PACKAGE}/dist`;
  const program = ts.createProgram(config.fileNames, {
    ...config.options,
    outDir,
    emitDeclarationOnly: true,
    declarationMap: false,
    sourceMap: false,
    inlineSources: false,
  });
  const files = base();
  program.emit(undefined, (file, text) => files.set(file, text));
  return files;
}

/** A program over the package's entries, or over `text` as a module that imports them. */
export function programOver(
  files: ReadonlyMap<string, string>,
  options: ts.CompilerOptions,
  text?: string,
): { readonly program: ts.Program; readonly root: ts.SourceFile } {
  const entry = (name: string): string => `${PACKAGE}/dist/${name}.d.ts`;
  const root = text === undefined ? entry("index") : `${HOME}/consumer.ts`;
  const subpaths = text === undefined ? ENTRIES.map(entry).filter((path) => files.has(path)) : [];
  const all = new Map(files);
  if (text !== undefined) all.set(root, text);
  const host = ts.createCompilerHost(options);
  const folders = new Set([...all.keys()].flatMap(foldersAbove));
  const { fileExists, readFile, directoryExists, getSourceFile } = host;
  host.fileExists = (path) => all.has(path) || fileExists(path);
  host.readFile = (path) => all.get(path) ?? readFile(path);
  host.directoryExists = (path) => folders.has(path) || (directoryExists?.(path) ?? true);
  host.realpath = (path) => path;
  host.getSourceFile = (path, language, ...rest) => {
    const own = all.get(path);
    if (own === undefined) return getSourceFile(path, language, ...rest);
    return ts.createSourceFile(path, own, language, true);
  };
  const program = ts.createProgram([root, ...subpaths], options, host);
  return { program, root: program.getSourceFile(root)! };
}

function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === path ? [] : [folder, ...foldersAbove(folder)];
}

/** Diagnostics as lines "file: message". */
export function complaints(program: ts.Program): string[] {
  return ts.getPreEmitDiagnostics(program).map((each) => {
    const message = ts.flattenDiagnosticMessageText(each.messageText, "\n");
    const path = each.file?.fileName.replace(`${HOME}/`, "") ?? "";
    const line = each.file?.getLineAndCharacterOfPosition(each.start ?? 0).line ?? 0;
    return `${path}:${line + 1}: ${message}`;
  });
}
