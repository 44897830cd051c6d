// The steps of a page that changes the repository: a heading names a file, a `ts` block below it is that file, and a `diff`
// block adds its `+` lines to it.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface PageStep {
  readonly path: string;
  readonly kind: "create" | "add";
  readonly text: string;
}

export function pageSteps(page: string): PageStep[] {
  return page
    .split(/^### `(?=[^`\n]+`$)/m)
    .slice(1)
    .flatMap((section) => {
      const path = section.slice(0, section.indexOf("`"));
      // A heading of another level ends the file's section.
      const own = section.split(/^##? /m)[0]!;
      return [...own.matchAll(/^```(ts|diff)\n([\s\S]*?)^```$/gm)].map(
        ([, language, text]): PageStep => ({
          path,
          kind: language === "ts" ? "create" : "add",
          text: text!,
        }),
      );
    });
}

/** @throws {Error} when the file to create exists, or the lines to add to are not there exactly once */
export async function applyStep(root: string, { path, kind, text }: PageStep): Promise<void> {
  const file = join(root, path);
  if (kind === "create") {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: "wx" });
    return;
  }
  const lines = text.trimEnd().split("\n");
  const before = lines.filter((line) => !line.startsWith("+")).map((line) => line.slice(1));
  const after = lines.map((line) => line.slice(1));
  const parts = (await readFile(file, "utf8")).split(`${before.join("\n")}\n`);
  if (parts.length !== 2) {
    throw new Error(
      `${path}: must hold once the lines that the page repeats, got ${parts.length - 1}: ${before.join(" / ")}`,
    );
  }
  await writeFile(file, parts.join(`${after.join("\n")}\n`));
}
