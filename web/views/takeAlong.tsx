// The section Take along: files for other tools, the report, and a push to the Hub.

import type { ComponentChild } from "preact";
import type { PackageRequest } from "../protocol/takeAlong.ts";
import { model, token } from "../state/model.ts";
import { attempt } from "../state/notices.ts";
import {
  download,
  isPrivate,
  packing,
  push,
  pushed,
  pushProgress,
  repository,
} from "../state/takeAlong.ts";
import { status } from "../state/training.ts";
import { CheckField, TextField } from "./fields.tsx";
import { HubAccess } from "./model/hub.tsx";

export function TakeAlongPanel(): ComponentChild {
  const hasRun = status.value === "done";
  const hasAdapter = model.value?.hasAdapter ?? false;
  return (
    <>
      <h2>Take along</h2>
      {!hasRun && (
        <p class="lead">
          Train in the section Fine-tune first: then there is something to take along.
        </p>
      )}
      <div class="cards">
        <Download
          what="adapter"
          title="Adapter"
          text="The LoRA adapter as peft reads it (adapter_config.json, adapter_model.safetensors), with tokenizer, model card, arguments and log."
          isDisabled={!hasAdapter}
        />
        <Download what="model" title="Model" text={modelText()} isDisabled={model.value === null} />
        <Download
          what="report"
          title="Report"
          text="report.html: curves, ROUGE, summaries before and after, on one page without scripts."
          isDisabled={!hasRun}
        />
        <Download
          what="arguments"
          title="Arguments"
          text="training_args.json: every argument of the run, to repeat it with gradloom in Node."
          isDisabled={!hasRun}
        />
      </div>
      <Push isDisabled={model.value === null || pushProgress.value !== ""} />
    </>
  );
}

function modelText(): string {
  return model.value?.dtype === "int8"
    ? "The whole model in 8 bits, which gradloom alone reads; layers that an adapter changed are merged with it, in f32. For transformers, load it in f32 or bf16."
    : "The whole model as transformers reads it, the adapter merged into its weights.";
}

interface DownloadProps {
  readonly what: PackageRequest["what"];
  readonly title: string;
  readonly text: string;
  readonly isDisabled: boolean;
}

function Download({ what, title, text, isDisabled }: DownloadProps): ComponentChild {
  return (
    <section class="card" aria-labelledby={`take-${what}`}>
      <h3 id={`take-${what}`}>{title}</h3>
      <p>{text}</p>
      <button
        disabled={isDisabled || packing.value !== null}
        aria-label={`Download: ${title}`}
        onClick={() => void attempt(() => download(what))}
      >
        {packing.value === what ? "Packing" : "Download"}
      </button>
    </section>
  );
}

function Push({ isDisabled }: { isDisabled: boolean }): ComponentChild {
  const isReady = repository.value.trim() !== "" && token.value !== "";
  return (
    <section aria-labelledby="push-title">
      <h3 id="push-title">Push to the Hugging Face Hub</h3>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(push);
        }}
      >
        <div class="fields">
          <TextField
            label="Repository"
            help="owner/name; it is made when it does not exist. Needs a token that may write."
            value={repository.value}
            onValue={(value) => (repository.value = value)}
            isDisabled={isDisabled}
          />
          <CheckField
            label="Private"
            value={isPrivate.value}
            onValue={(value) => (isPrivate.value = value)}
            isDisabled={isDisabled}
          />
        </div>
        <HubAccess isDisabled={isDisabled} />
        <p class="row">
          <button disabled={isDisabled || !isReady}>Push</button>
          <span role="status">{pushProgress.value}</span>
        </p>
      </form>
      {pushed.value && (
        <p class="notice info">
          Pushed as <code>{pushed.value.commit.slice(0, 10)}</code>:{" "}
          <a href={pushed.value.url}>{pushed.value.url}</a>
        </p>
      )}
    </section>
  );
}
