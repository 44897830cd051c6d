// The file system where this code runs.

import { isNode } from "../runtime.ts";
import type { FileStore } from "./fileStore.ts";
import { nodeFiles } from "./nodeFiles.ts";
import { opfsFiles } from "./opfsFiles.ts";

/** Node's folders; in pages and their workers the private file system of their origin. */
export const files: FileStore = isNode ? nodeFiles() : opfsFiles;
