// All readers that are tried.

import type { FuzzedReader } from "../harness.ts";
import { datasets } from "./datasets.ts";

export const readers: readonly FuzzedReader[] = datasets.filter(({ name }) => name === "Parquet");
