// Files that were dropped on the page, and the example's rows: they are kept as a folder, which the library reads as it reads
// one in Node, and which is still there after a reload.

import { hasFolders, HOME, remove, writeBlob } from "./folders.ts";
import { readRecord, removeRun } from "./runs.ts";

/**
 * Takes the place of what was kept under the same name.
 * @param what "model", "rows" or another name
 * @returns path of the folder
 */
export async function keepFolder(what: string, files: ReadonlyMap<string, Blob>): Promise<string> {
  if (!hasFolders()) {
    throw new Error(
      "Files are kept in the browser's private files, which only pages over https or localhost have. Serve the page so.",
    );
  }
  const folder = `${HOME}/${what}`;
  // A stored run that needs what lay there cannot go on with something else.
  const record = await readRecord();
  if (
    [record?.model, record?.data].some(
      (choice) => choice?.from === "kept" && choice.folder === folder,
    )
  ) {
    await removeRun();
  }
  await remove(folder);
  for (const [name, blob] of files) await writeBlob(`${folder}/${name}`, blob);
  return folder;
}
