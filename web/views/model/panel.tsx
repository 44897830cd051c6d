// The section Model: where the model comes from, and on which device it lies.

import type { ComponentChild } from "preact";
import { device, deviceKind, openDevice } from "../../state/device.ts";
import {
  dtype,
  isLoading,
  loadAgain,
  loadModel,
  model,
  progress,
  stopLoading,
} from "../../state/model.ts";
import { attempt, say } from "../../state/notices.ts";
import { isBusy } from "../../state/training.ts";
import { DropZone } from "../dropZone.tsx";
import { SelectField } from "../fields.tsx";
import { count } from "../format.ts";
import { ProgressBar } from "../progress.tsx";
import { HubFields } from "./hub.tsx";
import { KeptModels } from "./kept.tsx";

export function ModelPanel(): ComponentChild {
  const isDisabled = isBusy.value || isLoading.value || device.value === null;
  return (
    <>
      <h2>Model</h2>
      <Facts />
      {progress.value && (
        <p class="row">
          <ProgressBar progress={progress.value} />
          <button class="secondary" onClick={stopLoading}>
            Stop
          </button>
        </p>
      )}
      <div class="cards">
        <section class="card" aria-labelledby="from-example">
          <h3 id="from-example">Example</h3>
          <p>
            A T5 of 1.4 million weights that knows the small world of the example dialogues. It
            comes with the page and works offline.
          </p>
          <button disabled={isDisabled} onClick={() => load("example")}>
            Load the example
          </button>
        </section>
        <HubFields isDisabled={isDisabled} />
        <section class="card" aria-labelledby="from-files">
          <h3 id="from-files">Your files</h3>
          <p>
            A folder with config.json, model.safetensors (or pytorch_model.bin) and tokenizer.json.
            A LoRA adapter by itself goes onto the model that is loaded.
          </p>
          <DropZone
            label="Choose files"
            help="or drop a folder here"
            accept=".json,.safetensors,.bin,.model,.txt"
            isDisabled={isDisabled}
            onFiles={(files) =>
              void attempt(() => loadModel({ from: "files", files, dtype: dtype.value }))
            }
          />
        </section>
      </div>
      <Settings isDisabled={isDisabled} />
      <KeptModels isDisabled={isDisabled} />
    </>
  );
}

function load(from: "example"): void {
  void attempt(() => loadModel({ from, dtype: dtype.value }));
}

function Facts(): ComponentChild {
  const facts = model.value;
  if (facts === null) return <p class="lead">No model is loaded yet.</p>;
  return (
    <p class="lead" data-testid="facts">
      Loaded: <b>{facts.name}</b>, {count(facts.parameters)} weights in {facts.dtype},{" "}
      {facts.layers} decoder layers of {facts.heads} heads
      {facts.hasAdapter ? ", with a LoRA adapter" : ""}.
    </p>
  );
}

function Settings({ isDisabled }: { isDisabled: boolean }): ComponentChild {
  return (
    <>
      <h3>Weights and device</h3>
      <div class="fields">
        <SelectField
          label="Weights are stored in"
          help="bf16 halves the memory of f32; int8 takes two fifths of it and writes fastest, and trains adapters only. Loads the model again."
          value={dtype.value}
          isDisabled={isDisabled}
          options={[
            ["f32", "f32"],
            ["bf16", "bf16"],
            ["int8", "int8"],
          ]}
          onValue={(value) => {
            dtype.value = value;
            void attempt(() => loadAgain(value));
          }}
        />
        <SelectField
          label="Device"
          help={
            device.value?.reason ||
            "Automatic takes WebGPU where there is a GPU, else all threads of the CPU."
          }
          value={deviceKind.value}
          isDisabled={isDisabled}
          options={[
            ["auto", "Automatic"],
            ["webgpu", "WebGPU"],
            ["cpu", "CPU"],
          ]}
          onValue={(kind) => void attempt(() => changeDevice(kind))}
        />
      </div>
    </>
  );
}

async function changeDevice(kind: "auto" | "webgpu" | "cpu"): Promise<void> {
  model.value = null;
  try {
    await openDevice({ kind });
  } catch (error) {
    await openDevice({ kind: "auto" });
    throw error;
  } finally {
    await loadAgain();
  }
  say(`Computing on: ${device.value!.label}.`);
}
