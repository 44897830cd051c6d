// A bar with words beside it.

import type { ComponentChild } from "preact";
import type { LoadProgress } from "../protocol/model.ts";
import { bytes } from "./format.ts";

export function ProgressBar({ progress }: { progress: LoadProgress }): ComponentChild {
  const { what, done, total } = progress;
  const known = total > 1 ? `${bytes(done)} of ${bytes(total)}` : "";
  return (
    <div class="progress">
      {total > 1 ? (
        <progress value={done} max={total} aria-label={what} />
      ) : (
        <progress aria-label={what} />
      )}
      <span>
        {what} {known}
      </span>
    </div>
  );
}
