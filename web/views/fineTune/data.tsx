// Which rows to train on, and which columns of them.

import type { ComponentChild } from "preact";
import type { DataPreview } from "../../protocol/data.ts";
import {
  dataProgress,
  datasetId,
  preview,
  readData,
  sourceColumn,
  targetColumn,
} from "../../state/data.ts";
import { hubAddress } from "../../state/model.ts";
import { attempt } from "../../state/notices.ts";
import { DropZone } from "../dropZone.tsx";
import { SelectField, TextField } from "../fields.tsx";
import { count } from "../format.ts";
import { ProgressBar } from "../progress.tsx";

export function DataFields({ isDisabled }: { isDisabled: boolean }): ComponentChild {
  const busy = isDisabled || dataProgress.value !== null;
  return (
    <section aria-labelledby="data-title">
      <h3 id="data-title">Rows</h3>
      <div class="row spread">
        <DropZone
          label="Choose CSV or JSON Lines"
          help="or drop files here"
          accept=".csv,.tsv,.jsonl,.json,.parquet,.gz"
          isDisabled={busy}
          onFiles={(files) => void attempt(() => readData({ from: "files", files }))}
        />
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            const hub = { ...hubAddress(datasetId.value.trim()), revision: "main" };
            void attempt(() => readData({ from: "hub", hub }));
          }}
        >
          <TextField
            label="or a dataset of the Hub"
            value={datasetId.value}
            isDisabled={busy}
            onValue={(value) => (datasetId.value = value)}
          />
          <button class="secondary end" disabled={busy || datasetId.value.trim() === ""}>
            Download
          </button>
        </form>
        <button
          class="secondary end"
          disabled={busy}
          onClick={() => void attempt(() => readData({ from: "example" }))}
        >
          Use the example
        </button>
      </div>
      {dataProgress.value && <ProgressBar progress={dataProgress.value} />}
      {preview.value && <Preview data={preview.value} isDisabled={busy} />}
    </section>
  );
}

function Preview({ data, isDisabled }: { data: DataPreview; isDisabled: boolean }): ComponentChild {
  const splits = data.splits.map(({ name, rows }) => `${count(rows)} ${name}`).join(", ");
  const options = data.columns.map((column) => [column, column] as const);
  const shown = [sourceColumn.value, targetColumn.value];
  return (
    <>
      <p data-testid="data">
        <b>{data.name}</b>: {splits}.
      </p>
      <div class="fields">
        <SelectField
          label="The model reads"
          value={sourceColumn.value}
          {...{ options, isDisabled }}
          onValue={(value) => (sourceColumn.value = value)}
        />
        <SelectField
          label="and learns to write"
          value={targetColumn.value}
          {...{ options, isDisabled }}
          onValue={(value) => (targetColumn.value = value)}
        />
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="The first rows">
        <table class="preview">
          <thead>
            <tr>
              {shown.map((column, i) => (
                <th key={i} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.rows.slice(0, 3).map((row, i) => (
              <tr key={i}>
                {shown.map((column, j) => (
                  <td key={j}>
                    <div class="clip">{row[column] ?? <i>missing</i>}</div>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
