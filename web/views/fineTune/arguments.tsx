// The arguments of a run: the few that are always looked at, and the others folded.

import type { ComponentChild } from "preact";
import type { TrainSettings } from "../../protocol/training.ts";
import { refusal, setField, settings } from "../../state/training.ts";
import { CheckField, NumberField, SelectField, type NumberProps } from "../fields.tsx";

type NumberName = {
  [K in keyof TrainSettings]: TrainSettings[K] extends number ? K : never;
}[keyof TrainSettings];

interface Shared {
  readonly isDisabled: boolean;
}

export function Arguments({ isDisabled }: Shared): ComponentChild {
  const { method } = settings.value;
  const help = refusal.value === null ? {} : { help: refusal.value };
  return (
    <section aria-labelledby="arguments-title">
      <h3 id="arguments-title">Arguments</h3>
      <div class="fields">
        <SelectField
          label="Train"
          value={method}
          isDisabled={isDisabled}
          {...help}
          options={[
            ["lora", "a LoRA adapter"],
            ["all", "all weights"],
          ]}
          onValue={(value) => setField("method", value)}
        />
        <Field
          name="learningRate"
          label="Learning rate"
          min={0}
          step="any"
          isDisabled={isDisabled}
        />
        <Field
          name="maxSteps"
          label="Updates"
          help="0 trains by epochs instead."
          min={0}
          isDisabled={isDisabled}
        />
        <Field name="batchSize" label="Rows per batch" min={1} max={1024} isDisabled={isDisabled} />
        {method === "lora" && (
          <Field name="loraR" label="LoRA rank r" min={1} max={256} isDisabled={isDisabled} />
        )}
      </div>
      <details>
        <summary>More arguments</summary>
        <MoreArguments isDisabled={isDisabled} />
      </details>
    </section>
  );
}

function MoreArguments({ isDisabled }: Shared): ComponentChild {
  const { method, scheduler, gradientCheckpointing, maxSteps } = settings.value;
  const shared = { isDisabled };
  return (
    <div class="fields">
      {method === "lora" && (
        <>
          <Field name="loraAlpha" label="LoRA alpha" min={0.1} step="any" {...shared} />
          <Field name="loraDropout" label="LoRA dropout" min={0} max={0.9} step="any" {...shared} />
        </>
      )}
      <Field
        name="epochs"
        label="Epochs"
        min={0.01}
        step="any"
        isDisabled={isDisabled || maxSteps > 0}
      />
      <Field name="gradientAccumulationSteps" label="Batches per update" min={1} {...shared} />
      <SelectField
        label="Learning-rate schedule"
        value={scheduler}
        {...shared}
        options={[
          ["linear", "linear"],
          ["cosine", "cosine"],
          ["constant", "constant"],
        ]}
        onValue={(value) => setField("scheduler", value)}
      />
      <Field
        name="warmupRatio"
        label="Warmup, share of updates"
        min={0}
        max={1}
        step="any"
        {...shared}
      />
      <Field name="weightDecay" label="Weight decay" min={0} step="any" {...shared} />
      <Field name="maxLength" label="Most tokens of a row" min={8} max={4096} {...shared} />
      <Field name="seed" label="Seed" min={0} {...shared} />
      <Field name="loggingSteps" label="Updates between log lines" min={1} {...shared} />
      <Field
        name="evalSteps"
        label="Updates between evaluations"
        help="0 evaluates before and after."
        min={0}
        {...shared}
      />
      <Field name="evalRows" label="Rows to evaluate" min={0} {...shared} />
      <Field name="saveSteps" label="Updates between checkpoints" min={1} {...shared} />
      <CheckField
        label="Gradient checkpointing"
        help="Less memory, a third more arithmetic."
        value={gradientCheckpointing}
        {...shared}
        onValue={(value) => setField("gradientCheckpointing", value)}
      />
    </div>
  );
}

type FieldProps = Omit<NumberProps, "value" | "onValue"> & { readonly name: NumberName };

function Field({ name, ...rest }: FieldProps): ComponentChild {
  return (
    <NumberField
      {...rest}
      value={settings.value[name]}
      onValue={(value) => setField(name, value as TrainSettings[NumberName])}
    />
  );
}
