// A place for files: dropped on it, or chosen with the button, which the keyboard reaches.

import type { ComponentChild } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { attempt } from "../state/notices.ts";
import { filesOf } from "./droppedFiles.ts";

export interface DropZoneProps {
  readonly label: string;
  readonly help: string;
  readonly accept: string;
  readonly onFiles: (files: readonly File[]) => void;
  readonly isDisabled?: boolean;
}

export function DropZone(props: DropZoneProps): ComponentChild {
  const { label, help, accept, onFiles, isDisabled = false } = props;
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  return (
    <div
      class={`drop ${isOver ? "over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(!isDisabled);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const { dataTransfer } = event;
        if (dataTransfer)
          void attempt(async () => onFiles(await dropped(dataTransfer, isDisabled)));
      }}
    >
      <label for={id} class="sr-only">
        {label}
      </label>
      <input
        {...{ id, accept }}
        ref={input}
        class="sr-only"
        type="file"
        multiple
        tabIndex={-1}
        disabled={isDisabled}
        onChange={({ currentTarget }) => {
          const files = [...(currentTarget.files ?? [])];
          // The same file may be chosen again.
          currentTarget.value = "";
          if (files.length > 0) onFiles(files);
        }}
      />
      <button class="secondary" disabled={isDisabled} onClick={() => input.current?.click()}>
        {label}
      </button>
      <span class="help">{help}</span>
    </div>
  );
}

/** @throws {Error} where nothing can be done with what was dropped: a drop, unlike a button, cannot be greyed out */
async function dropped(transfer: DataTransfer, isBusy: boolean): Promise<readonly File[]> {
  const files = await filesOf(transfer);
  if (isBusy) throw new Error("The page is at work. Drop the files again when it is done.");
  if (files.length === 0) throw new Error("What was dropped holds no file. Choose files instead.");
  return files;
}
