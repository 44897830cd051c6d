// The model that is loaded, and what could be.

import { computed, signal } from "@preact/signals";
import type {
  HubAddress,
  KeptModel,
  LastingModel,
  LoadProgress,
  ModelChoice,
  ModelFacts,
  WeightType,
} from "../protocol/model.ts";
import { call } from "./client.ts";
import { refreshStored } from "./stored.ts";

export const model = signal<ModelFacts | null>(null);
export const progress = signal<LoadProgress | null>(null);
export const kept = signal<readonly KeptModel[]>([]);
export const dtype = signal<WeightType>("f32");

/** The fields of a download. The token stays here: it is written nowhere, and gone with the page. */
export const hubId = signal("google/flan-t5-small");
export const revision = signal("main");
export const endpoint = signal(
  new URLSearchParams(location.search).get("endpoint") ?? "https://huggingface.co",
);
export const token = signal("");

let loading: AbortController | null = null;
export const isLoading = computed(() => progress.value !== null);
/** What is loaded, for a worker that has to start anew: the model, and the adapter that was dropped on it. */
let lastModel: LastingModel = { from: "example", dtype: "f32" };
let lastAdapter: readonly File[] | null = null;

export function setModel(facts: ModelFacts, adapter: readonly File[] | null = null): void {
  model.value = facts;
  lastModel = facts.choice;
  lastAdapter = adapter;
}

export function hubAddress(id: string): HubAddress {
  return { id, revision: revision.value, token: token.value, endpoint: endpoint.value };
}

export async function loadModel(choice: ModelChoice): Promise<void> {
  loading?.abort();
  const controller = new AbortController();
  loading = controller;
  progress.value = { what: "Reading files", done: 0, total: 0 };
  try {
    const facts = await call("loadModel", choice, {
      signal: controller.signal,
      onEvent: (event) => (progress.value = event),
    });
    // Files of a model go to a folder of their own; those of an adapter leave the model what it is.
    const isAdapter =
      choice.from === "files" && JSON.stringify(facts.choice) === JSON.stringify(lastModel);
    setModel(facts, isAdapter ? choice.files : null);
    await refreshKept();
    await refreshStored();
  } finally {
    if (loading === controller) progress.value = null;
  }
}

/** The model as it was chosen, on the device that is open. */
export async function loadAgain(dtype: WeightType = lastModel.dtype): Promise<void> {
  const adapter = lastAdapter;
  await loadModel({ ...lastModel, dtype });
  if (adapter !== null) await loadModel({ from: "files", files: adapter, dtype });
}

export function stopLoading(): void {
  loading?.abort();
}

export async function refreshKept(): Promise<void> {
  kept.value = await call("listKept", {});
}

export async function deleteKept(key: string): Promise<void> {
  kept.value = await call("deleteKept", { key });
}
