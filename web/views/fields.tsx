// Labelled fields. Each one has its label and, where it needs one, a line of help that screen readers read with it.

import type { ComponentChild } from "preact";
import { useId } from "preact/hooks";

interface FieldProps<T> {
  readonly label: string;
  readonly help?: string;
  readonly value: T;
  readonly onValue: (value: T) => void;
  readonly isDisabled?: boolean;
}

export interface NumberProps extends FieldProps<number> {
  readonly min?: number;
  readonly max?: number;
  readonly step?: number | "any";
  /** For numbers of few digits. */
  readonly isShort?: boolean;
}

export function NumberField(props: NumberProps): ComponentChild {
  const { label, help, value, onValue, isDisabled, min, max, step, isShort = false } = props;
  const id = useId();
  return (
    <div class={isShort ? "field short" : "field"}>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        inputMode="decimal"
        {...{ min, max, step: step ?? 1, value }}
        disabled={isDisabled ?? false}
        aria-describedby={help ? `${id}-help` : undefined}
        onInput={({ currentTarget }) => {
          // An empty or wrong field keeps the last good value until it is left.
          if (currentTarget.value !== "" && currentTarget.validity.valid) {
            onValue(currentTarget.valueAsNumber);
          }
        }}
        onBlur={({ currentTarget }) => (currentTarget.value = String(value))}
      />
      <Help id={id} text={help} />
    </div>
  );
}

export interface TextProps extends FieldProps<string> {
  readonly type?: "text" | "password" | "url";
}

export function TextField(props: TextProps): ComponentChild {
  const { label, help, value, onValue, isDisabled, type = "text" } = props;
  const id = useId();
  return (
    <div class="field wide">
      <label for={id}>{label}</label>
      <input
        {...{ id, value }}
        // One kind at a time is what the types allow.
        type={type as "text"}
        autocomplete="off"
        spellcheck={false}
        disabled={isDisabled ?? false}
        aria-describedby={help ? `${id}-help` : undefined}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
      />
      <Help id={id} text={help} />
    </div>
  );
}

export interface SelectProps<T extends string> extends FieldProps<T> {
  readonly options: readonly (readonly [value: T, title: string])[];
}

export function SelectField<T extends string>(props: SelectProps<T>): ComponentChild {
  const { label, help, value, onValue, isDisabled, options } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        disabled={isDisabled ?? false}
        aria-describedby={help ? `${id}-help` : undefined}
        onChange={({ currentTarget }) => onValue(currentTarget.value as T)}
      >
        {options.map(([each, title]) => (
          <option key={each} value={each}>
            {title}
          </option>
        ))}
      </select>
      <Help id={id} text={help} />
    </div>
  );
}

export function CheckField(props: FieldProps<boolean>): ComponentChild {
  const { label, help, value, onValue, isDisabled } = props;
  const id = useId();
  return (
    <div class="field check">
      <input
        id={id}
        type="checkbox"
        checked={value}
        disabled={isDisabled ?? false}
        aria-describedby={help ? `${id}-help` : undefined}
        onChange={({ currentTarget }) => onValue(currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      <Help id={id} text={help} />
    </div>
  );
}

function Help({ id, text }: { id: string; text: string | undefined }): ComponentChild {
  if (text === undefined) return null;
  return (
    <small id={`${id}-help`} class="help">
      {text}
    </small>
  );
}
