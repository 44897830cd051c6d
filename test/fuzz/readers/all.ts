// All readers that are tried.

import type { FuzzedReader } from "../harness.ts";
import { datasets } from "./datasets.ts";
import { models } from "./models.ts";
import { others } from "./others.ts";

export const readers: readonly FuzzedReader[] = [...models, ...datasets, ...others];
