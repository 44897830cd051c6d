// The section Fine-tune: rows, arguments, the run, what it changed.

import type { ComponentChild } from "preact";
import { isBusy, status } from "../../state/training.ts";
import { Arguments } from "./arguments.tsx";
import { Curves } from "./curves.tsx";
import { DataFields } from "./data.tsx";
import { RunBar, StoredRunNote } from "./run.tsx";
import { Evaluation, Samples } from "./results.tsx";

export function FineTunePanel(): ComponentChild {
  return (
    <>
      <h2>Fine-tune</h2>
      <StoredRunNote />
      <DataFields isDisabled={isBusy.value} />
      <Arguments isDisabled={isBusy.value} />
      <RunBar />
      {status.value !== "idle" && <Curves />}
      <Evaluation />
      <Samples />
    </>
  );
}
