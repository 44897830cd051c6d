// Which tensor of a file is the token embedding, of the encoder, the decoder and the head: one under several names in
// most files, now and then several that differ (docs/guide/hugging-face-semantics.md 1.3).

import type { StoredTensor, WeightFiles } from "../model/weightFiles.ts";
import { CheckpointError } from "../tensor/errors.ts";
import { warn } from "../tensor/warnings.ts";
import type { T5Config } from "./config.ts";
import type { StackName } from "./weights.ts";

const SHARED = "shared.weight";
const OWN: Readonly<Record<StackName, string>> = {
  encoder: "encoder.embed_tokens.weight",
  decoder: "decoder.embed_tokens.weight",
};
/** Names under which files hold the token embedding, best first. */
const NAMES = [SHARED, OWN.encoder, OWN.decoder];
export const HEAD = "lm_head.weight";

export interface Embeddings {
  /** Our name to the file's, for `shared.weight` and the embeddings that differ from it. */
  readonly names: ReadonlyMap<string, string>;
  /** Stacks whose embedding is not `shared.weight`. */
  readonly own: ReadonlySet<StackName>;
  /** Whether the head is `shared.weight`. */
  readonly tied: boolean;
}

/**
 * Chooses as transformers does: a stack's own name goes before `shared.weight`; copies of one value are one tensor.
 * @throws {CheckpointError} when the file holds no embedding
 */
export async function findEmbeddings(
  checkpoint: WeightFiles,
  config: T5Config,
): Promise<Embeddings> {
  const present = NAMES.filter((name) => checkpoint.names.has(name));
  if (present.length === 0) return headAsEmbedding(checkpoint, config);
  const same = await sameValues(checkpoint, present);
  const embeddings = { encoder: same.get(OWN.encoder), decoder: same.get(OWN.decoder) };
  const usual = present[0]!;
  const tied = await isTied(checkpoint, usual, config);
  const [encoder = usual, decoder = usual] = [embeddings.encoder, embeddings.decoder];
  // A shared embedding that neither a stack nor the head reads is left out.
  const shared = tied || decoder === usual ? usual : encoder;
  const chosen = new Map([[SHARED, shared]]);
  const own = new Set<StackName>();
  for (const [stack, name] of [["encoder", encoder] as const, ["decoder", decoder] as const]) {
    if (name === shared) continue;
    own.add(stack);
    chosen.set(OWN[stack], name);
  }
  if (encoder !== usual || decoder !== usual) warnOfCopies(checkpoint, present);
  return { names: chosen, own, tied };
}

/** Whether a name in a file is one of the embedding's or the head's. */
export function isEmbeddingName(name: string): boolean {
  return NAMES.includes(name) || name === HEAD;
}

/** Only a tied model can take its embedding from the head. */
function headAsEmbedding(checkpoint: WeightFiles, config: T5Config): Embeddings {
  if (config.tieWordEmbeddings && checkpoint.names.has(HEAD)) {
    return { names: new Map([[SHARED, HEAD]]), own: new Set(), tied: true };
  }
  throw new CheckpointError(
    `${checkpoint.source}: must hold the token embedding as ${NAMES.join(" or ")}, got none of them. ` +
      "Is this a T5 checkpoint?",
  );
}

/** The head is the embedding unless the file holds another one. */
async function isTied(
  checkpoint: WeightFiles,
  embedding: string,
  config: T5Config,
): Promise<boolean> {
  if (!config.tieWordEmbeddings) return false; // a head that is missing is reported with its name
  if (!checkpoint.names.has(HEAD)) return true;
  return isSame(await checkpoint.read(HEAD), await checkpoint.read(embedding));
}

/** Each name with the first whose tensor is the same, bit for bit. */
async function sameValues(
  checkpoint: WeightFiles,
  names: readonly string[],
): Promise<Map<string, string>> {
  const same = new Map(names.map((name) => [name, name]));
  if (names.length === 1) return same;
  const tensors = new Map<string, StoredTensor>();
  for (const name of names) {
    const stored = await checkpoint.read(name);
    const first = [...tensors].find(([, other]) => isSame(stored, other));
    if (first === undefined) tensors.set(name, stored);
    else same.set(name, first[0]);
  }
  return same;
}

function isSame(one: StoredTensor, other: StoredTensor): boolean {
  const [a, b] = [bytesOf(one), bytesOf(other)];
  return one.dtype === other.dtype && a.length === b.length && a.every((x, i) => x === b[i]);
}

function bytesOf({ data }: StoredTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function warnOfCopies({ source }: WeightFiles, present: readonly string[]): void {
  warn(
    `${source}: the token embeddings ${present.join(", ")} differ, so encoder and decoder keep their own, as in transformers. ` +
      "If they should be one, save the model again with the right one alone.",
  );
}
