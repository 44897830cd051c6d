// Archives of Hugging Face files, the report, the arguments; and a push to the Hub.

import { Zip, ZipPassThrough } from "fflate";
import { mergeLora, pushFolderToHub, unmergeLora } from "gradloom";
import type { Package, PackageRequest, PushDone, PushRequest } from "../protocol/takeAlong.ts";
import type { CallContext } from "./handler.ts";
import { hasAdapter } from "./models.ts";
import { theModel, type LoadedModel } from "./session.ts";
import { withFolder } from "./storage/dropped.ts";
import { filesOf } from "./storage/folders.ts";
import { finishedRun } from "./training/lastRun.ts";
import { reportText } from "./training/report.ts";

export async function makePackage({ what }: PackageRequest): Promise<Package> {
  switch (what) {
    case "adapter":
      return { name: "adapter.zip", blob: await zip(await adapterFiles(theModel())) };
    case "model":
      return { name: "model.zip", blob: await zip(await modelFiles(theModel())) };
    case "report":
      return { name: "report.html", blob: textBlob(reportText(), "text/html") };
    case "arguments":
      return { name: "training_args.json", blob: textBlob(argumentsText()) };
  }
}

/** adapter_config.json, adapter_model.safetensors and what the run tells of itself. */
async function adapterFiles(loaded: LoadedModel): Promise<Map<string, Blob>> {
  const files = await loaded.model.toFiles();
  if (!files.has("adapter_config.json")) {
    throw new Error(
      "The model has no adapter: it was trained whole. Take the model along instead.",
    );
  }
  return withRun(new Map([...files, ...(await tokenizerFiles(loaded))]));
}

/** The whole model; an adapter is merged into its weights while they are written. */
async function modelFiles(loaded: LoadedModel): Promise<Map<string, Blob>> {
  const { model } = loaded;
  const isAdapted = hasAdapter(model);
  if (isAdapted) mergeLora(model);
  try {
    return await withRun(new Map([...(await model.toFiles()), ...(await tokenizerFiles(loaded))]));
  } finally {
    if (isAdapted) unmergeLora(model);
  }
}

/** What other tools need beside the weights. */
function tokenizerFiles({ tokenizer }: LoadedModel): Promise<ReadonlyMap<string, Blob>> {
  return withFolder(new Map(), async (folder) => {
    await tokenizer.savePretrained(folder);
    const files = [...(await filesOf(folder))];
    // Copies: a File of the browser's private files is gone with what it was made of.
    const blobs = files.map(async ([name, file]) => [name, new Blob([await file.text()])] as const);
    return new Map(await Promise.all(blobs));
  });
}

/** With README.md, training_args.json and trainer_state.json, where a run has ended. */
async function withRun(files: Map<string, Blob>): Promise<Map<string, Blob>> {
  const run = runOrNull();
  if (run === null) return files;
  files.set("README.md", textBlob(await run.trainer.createModelCard({ tasks: "summarization" })));
  files.set("training_args.json", textBlob(argumentsText()));
  files.set("trainer_state.json", textBlob(run.trainer.state.toJSONText()));
  return files;
}

function runOrNull(): ReturnType<typeof finishedRun> | null {
  try {
    return finishedRun();
  } catch {
    return null;
  }
}

function argumentsText(): string {
  const { trainer, request } = finishedRun();
  return `${JSON.stringify({ ...trainer.args, page: request.settings }, null, 2)}\n`;
}

function textBlob(text: string, type = "text/plain"): Blob {
  return new Blob([text], { type });
}

/** One archive; weights do not shrink, so nothing is compressed. */
async function zip(files: ReadonlyMap<string, Blob>): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let failure: Error | null = null;
  const archive = new Zip((error, part) => {
    failure ??= error;
    parts.push(part as Uint8Array<ArrayBuffer>);
  });
  for (const [name, blob] of files) {
    const entry = new ZipPassThrough(name);
    archive.add(entry);
    const reader = blob.stream().getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read())
      entry.push(read.value);
    entry.push(new Uint8Array(), true);
  }
  archive.end();
  if (failure !== null) throw failure as Error;
  return new Blob(parts, { type: "application/zip" });
}

/** What the adapter's or the model's archive holds, as one commit. */
export async function push(
  { repository, token, endpoint, isPrivate }: PushRequest,
  { emit, signal }: CallContext<"push">,
): Promise<PushDone> {
  const loaded = theModel();
  const isAdapted = hasAdapter(loaded.model);
  const files = isAdapted ? await adapterFiles(loaded) : await modelFiles(loaded);
  return withFolder(files, async (folder) => {
    const { url, commit } = await pushFolderToHub(folder, repository, {
      ...{ token, endpoint, private: isPrivate, signal },
      commitMessage: "Model trained in the gradloom page",
      onProgress: ({ file, progress }) => emit({ what: file, done: progress, total: 1 }),
    });
    return { url, commit };
  });
}
