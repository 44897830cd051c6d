// What this process is called among others.

import { nodeModule } from "./nodeModule.ts";
import { isNode } from "./runtime.ts";

/** Of a page, the host that it comes from. */
export function hostName(): string {
  return isNode ? nodeModule("node:os").hostname() : globalThis.location?.hostname || "page";
}

/** 0 in pages, whose processes have no number that they know. */
export const processId = (): number => (isNode ? process.pid : 0);

/** An environment variable; undefined in pages. */
export const variable = (name: string): string | undefined =>
  isNode ? process.env[name] : undefined;

/** The user's folder; the root in pages. */
export const homeFolder = (): string => (isNode ? nodeModule("node:os").homedir() : "/");
