// Lets Node 20, which does not run TypeScript, run the scripts and the sources they import as they are:
//   node --import ./scripts/example/runTypeScript.mjs scripts/example/makeExample.ts

import { register } from "node:module";

const hooks = `
  import { readFile } from "node:fs/promises";
  import ts from ${JSON.stringify(import.meta.resolve("typescript"))};
  export async function load(url, context, nextLoad) {
    if (!url.endsWith(".ts")) return nextLoad(url, context);
    const source = await readFile(new URL(url), "utf8");
    const { outputText } = ts.transpileModule(source, {
      fileName: url,
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, inlineSourceMap: true },
    });
    return { format: "module", source: outputText, shortCircuit: true };
  }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`, import.meta.url);
