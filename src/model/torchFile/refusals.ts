// What is said of a file of torch.save that cannot be read. Messages begin with the file's name.

import { CheckpointError } from "../../tensor/errors.ts";

const DAMAGED =
  "The file is damaged: download it again, or save it again as safetensors with save_pretrained.";
const FOREIGN =
  "Save the model's state_dict alone with torch.save, or the model with save_pretrained.";

/** A file that breaks the rules of its format. `statement` reads "... must ..., got ...". */
export function damaged(file: string, statement: string): CheckpointError {
  return new CheckpointError(`${file}: ${statement}. ${DAMAGED}`);
}

/** A file that may be sound but asks for what a dictionary of tensors does not need. */
export function foreign(file: string, statement: string): CheckpointError {
  return new CheckpointError(`${file}: ${statement}. ${FOREIGN}`);
}

/** A text of the file as messages show it: quoted, on one line, not endless. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);
}
