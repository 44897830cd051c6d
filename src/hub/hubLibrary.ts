// The calls of @huggingface/hub. Bundlers for pages take its files for Node, and fail: pages make the same requests
// themselves, and package.json ("browser") keeps hubLibraryOfNode.ts out of their bundles.

import { isNode } from "../tensor/runtime.ts";
import type * as ofNode from "./hubLibraryOfNode.ts";

type HubLibrary = typeof ofNode;

/** Loaded when the Hub is first asked. */
export async function hubLibrary(): Promise<HubLibrary> {
  if (isNode) return import("./hubLibraryOfNode.ts");
  // It takes what the library takes, and answers with as much of it as is read.
  return (await import("./hubLibraryOfPages.ts")) as unknown as HubLibrary;
}
