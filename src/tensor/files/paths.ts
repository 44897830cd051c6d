// Names of files: Node's rules where it runs, and those of POSIX in pages.

import { nodeModule } from "../nodeModule.ts";
import { isNode } from "../runtime.ts";

interface Paths {
  join(...parts: string[]): string;
  dirname(path: string): string;
  basename(path: string): string;
  /** Without `.` and `..`, from the root. */
  resolve(path: string): string;
  relative(from: string, to: string): string;
}

/** Parts of a path without empty ones, `.` and, where they can be taken away, `..`. */
export function normalizedParts(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !path.startsWith("/")) parts.push(part);
  }
  return parts;
}

/** A page's file system has one root, which is also the folder that it works in. */
export const pagePaths: Paths = {
  join(...parts) {
    const path = parts.filter((part) => part !== "").join("/");
    return (path.startsWith("/") ? "/" : "") + normalizedParts(path).join("/") || ".";
  },
  dirname(path) {
    const [root, parts] = [path.startsWith("/") ? "/" : "", normalizedParts(path)];
    return root + parts.slice(0, -1).join("/") || ".";
  },
  basename: (path) => normalizedParts(path).at(-1) ?? "",
  resolve: (path) => `/${normalizedParts(`/${path}`).join("/")}`,
  relative(from, to) {
    const [a, b] = [normalizedParts(`/${from}`), normalizedParts(`/${to}`)];
    let common = 0;
    while (common < a.length && common < b.length && a[common] === b[common]) common++;
    return [...a.slice(common).map(() => ".."), ...b.slice(common)].join("/");
  },
};

export const { join, dirname, basename, resolve, relative }: Paths = isNode
  ? nodeModule("node:path")
  : pagePaths;
