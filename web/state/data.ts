// The rows to train on, and which of their columns are read and written.

import { signal } from "@preact/signals";
import type { DataChoice, DataPreview, LastingData } from "../protocol/data.ts";
import type { LoadProgress } from "../protocol/model.ts";
import { call } from "./client.ts";
import { refreshStored } from "./stored.ts";

export const preview = signal<DataPreview | null>(null);
export const sourceColumn = signal("dialogue");
export const targetColumn = signal("summary");
export const dataProgress = signal<LoadProgress | null>(null);
export const datasetId = signal("");
/** What was read, for a worker that has to start anew. */
export const lastData = signal<LastingData>({ from: "example" });

export function setPreview(found: DataPreview): void {
  preview.value = found;
  lastData.value = found.choice;
}

export async function readData(choice: DataChoice): Promise<void> {
  dataProgress.value = { what: "Reading rows", done: 0, total: 0 };
  try {
    const found = await call("readData", choice, {
      onEvent: (event) => (dataProgress.value = event),
    });
    setPreview(found);
    sourceColumn.value = found.suggested.source;
    targetColumn.value = found.suggested.target;
    await refreshStored();
  } finally {
    dataProgress.value = null;
  }
}
