// Models that the browser keeps: what they weigh, and a way to be rid of them.

import type { ComponentChild } from "preact";
import { deleteKept, dtype, hubAddress, kept, loadModel } from "../../state/model.ts";
import { attempt } from "../../state/notices.ts";
import { bytes } from "../format.ts";

export function KeptModels({ isDisabled }: { isDisabled: boolean }): ComponentChild {
  if (kept.value.length === 0) {
    return <p class="help">Downloads are kept in this browser's private files, and listed here.</p>;
  }
  return (
    <>
      <h3>Kept in this browser</h3>
      <div class="scroll" data-testid="kept">
        <table>
          <thead>
            <tr>
              <th scope="col">Repository</th>
              <th scope="col">Commit</th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col">
                <span class="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {kept.value.map((entry) => (
              <tr key={entry.key}>
                <th scope="row">{entry.id}</th>
                <td>
                  <code>{entry.commit.slice(0, 10)}</code>
                </td>
                <td class="number">{bytes(entry.bytes)}</td>
                <td class="row">
                  <button
                    class="secondary"
                    disabled={isDisabled}
                    aria-label={`Load ${entry.id}`}
                    onClick={() => load(entry.id, entry.commit)}
                  >
                    Load
                  </button>
                  <button
                    class="secondary"
                    disabled={isDisabled}
                    aria-label={`Delete ${entry.id}`}
                    onClick={() => void attempt(() => deleteKept(entry.key))}
                  >
                    Delete
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function load(id: string, commit: string): void {
  const hub = { ...hubAddress(id), revision: commit };
  void attempt(() => loadModel({ from: "hub", hub, dtype: dtype.value }));
}
