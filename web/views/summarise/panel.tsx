// The section Summarise: a dialogue, how to write, and what is written.

import type { ComponentChild } from "preact";
import { model } from "../../state/model.ts";
import { attempt } from "../../state/notices.ts";
import {
  dialogue,
  isWriting,
  maxNewTokens,
  numBeams,
  seed,
  stop,
  strategy,
  summarise,
  summary,
  temperature,
  text,
  tokensSoFar,
  topK,
  topP,
} from "../../state/summarise.ts";
import { NumberField, SelectField } from "../fields.tsx";
import { duration, significant } from "../format.ts";
import { Attention } from "./attention.tsx";

export function SummarisePanel(): ComponentChild {
  const isReady = model.value !== null;
  return (
    <>
      <h2>Summarise</h2>
      <div class="columns">
        <div>
          <label for="dialogue">Dialogue</label>
          <textarea
            id="dialogue"
            rows={12}
            value={dialogue.value}
            onInput={({ currentTarget }) => (dialogue.value = currentTarget.value)}
          />
          <Options />
          <p class="row">
            <button
              disabled={!isReady || isWriting.value || dialogue.value.trim() === ""}
              onClick={() => void attempt(summarise)}
            >
              Summarise
            </button>
            <button class="secondary" disabled={!isWriting.value} onClick={stop}>
              Stop
            </button>
          </p>
        </div>
        <div>
          <h3 class="label" id="summary-label">
            Summary
          </h3>
          <Text />
          <Speed />
          {summary.value && <Attention />}
        </div>
      </div>
    </>
  );
}

function Options(): ComponentChild {
  const number = (label: string, field: typeof topK, rest: object): ComponentChild => (
    <NumberField
      {...{ label, ...rest }}
      value={field.value}
      onValue={(value) => (field.value = value)}
    />
  );
  return (
    <div class="fields">
      <SelectField
        label="Decoding"
        value={strategy.value}
        options={[
          ["greedy", "Greedy"],
          ["beams", "Beam search"],
          ["sampling", "Sampling"],
        ]}
        onValue={(value) => (strategy.value = value)}
      />
      {number("Most new tokens", maxNewTokens, { min: 1, max: 512 })}
      {strategy.value === "beams" && number("Beams", numBeams, { min: 2, max: 16 })}
      {strategy.value === "sampling" && (
        <>
          {number("Temperature", temperature, { min: 0.01, max: 5, step: "any" })}
          {number("Top k", topK, { min: 0, max: 1000 })}
          {number("Top p", topP, { min: 0.01, max: 1, step: "any" })}
          {number("Seed", seed, { min: 0 })}
        </>
      )}
    </div>
  );
}

/** By itself: the rest of the section need not be drawn again while the text grows. */
function Text(): ComponentChild {
  return (
    <output
      class="output"
      aria-labelledby="summary-label"
      aria-busy={isWriting.value}
      data-testid="summary"
    >
      {text.value || (
        <span class="placeholder">
          {model.value === null ? "The model is loading." : "The summary appears here."}
        </span>
      )}
    </output>
  );
}

function Speed(): ComponentChild {
  const done = summary.value;
  if (done === null) {
    return <p class="figures">{isWriting.value ? `${tokensSoFar.value} tokens` : " "}</p>;
  }
  const { tokens, seconds, firstTokenSeconds, wasStopped } = done;
  return (
    <p class="figures" data-testid="speed">
      {tokens} tokens in {duration(seconds)}, {significant(tokens / Math.max(seconds, 1e-3))}{" "}
      tokens/s, first after {significant(1000 * firstTokenSeconds)} ms
      {wasStopped ? "; stopped" : ""}
    </p>
  );
}
