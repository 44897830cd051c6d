// What checkpoints hold of optimizers.

import type { Dtype, StorageArray } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What is stored: a tensor, or one that lies in parts in several places. */
export type Stored = Tensor | StoredParts;

/** Elements as they are stored, read whole and written whole. */
export interface StoredParts {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  read(): Promise<StorageArray>;
  write(all: StorageArray): void;
}
