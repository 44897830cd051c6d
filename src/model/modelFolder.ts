// The files of a model: a folder on disk, or files by name.

import { isRepositoryId } from "../hub/repository.ts";
import { GradloomError } from "../tensor/errors.ts";
import { files } from "../tensor/files/files.ts";
import { parseJson } from "../tensor/json.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/** Path of a folder (in pages of their private file system), or the folder's files by name. */
export type ModelSource = string | ReadonlyMap<string, Blob>;

/** The class of the errors that a reader of the folder throws. */
export type ErrorClass = new (message: string, options?: ErrorOptions) => GradloomError;

/** Names of files and folders that are looked into for a message. */
const MOST_FOLDERS = 50;

export class ModelFolder {
  /** What messages call it. */
  readonly name: string;
  /** Names of its files and folders, sorted. */
  readonly files: readonly string[];
  readonly #source: ModelSource;
  readonly #error: ErrorClass;

  /** @internal Use `openModelFolder`. */
  constructor(name: string, files: readonly string[], source: ModelSource, error: ErrorClass) {
    this.name = name;
    this.files = files;
    this.#source = source;
    this.#error = error;
  }

  has(file: string): boolean {
    return this.files.includes(file);
  }

  /** `name/file`, for messages and, on disk, for opening. */
  path(file: string): string {
    return `${this.name}/${file}`;
  }

  /** What `openSafetensors` takes. `file` must be there. */
  locate(file: string): string | Blob {
    return typeof this.#source === "string" ? this.path(file) : this.#source.get(file)!;
  }

  /**
   * Throws unless `file` is there, saying what is there instead.
   * @param cure what to do about it, a sentence
   */
  require(file: string, cure: string): void {
    if (this.has(file)) return;
    const isAdapter = this.has("adapter_config.json");
    throw new this.#error(
      `${this.name}: must hold ${file}, got ${this.contents()}. ` +
        (isAdapter ? "This is a LoRA adapter: load its base model, then the adapter." : cure),
    );
  }

  /** The first names in the folder, for messages, and whether a repository could have been meant. */
  contents(): string {
    const shown = this.files.slice(0, 8).join(", ") || "an empty folder";
    const more = this.files.length > 8 ? ` and ${this.files.length - 8} more` : "";
    const taken = isRepositoryId(this.name)
      ? ` (the local folder ${this.name} was taken, not the Hub's repository of that name)`
      : "";
    return shown + more + taken;
  }

  /** Names `folder/file` of what its folders hold, for messages; [] where there is no disk. */
  async namesBelow(): Promise<string[]> {
    if (typeof this.#source !== "string") return [];
    const names: string[] = [];
    for (const folder of this.files
      .filter((name) => !name.startsWith("."))
      .slice(0, MOST_FOLDERS)) {
      const found = await files.readdir(this.path(folder)).catch(() => []);
      names.push(...found.map((file) => `${folder}/${file}`));
    }
    return names;
  }

  async bytes(file: string): Promise<Uint8Array> {
    const place = this.locate(file);
    if (typeof place !== "string") return new Uint8Array(await place.arrayBuffer());
    try {
      return await files.readBytes(place);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new this.#error(`${place}: cannot be read (${code}). Check its permissions.`, {
        cause: error,
      });
    }
  }

  /** The object in a JSON file. */
  async json(file: string): Promise<Record<string, unknown>> {
    return this.parse(file, await this.bytes(file));
  }

  /** The object in the bytes of a JSON file. */
  parse(file: string, bytes: Uint8Array): Record<string, unknown> {
    let value: unknown;
    try {
      value = parseJson(new TextDecoder().decode(bytes));
    } catch (error) {
      const reason = (error as Error).message.replace(/\s+/g, " ");
      throw new this.#error(
        `${this.path(file)}: must be JSON, got ${reason}. Download or write the file again.`,
        { cause: error },
      );
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
    throw new this.#error(
      `${this.path(file)}: must hold a JSON object, got ${JSON.stringify(value).slice(0, 40)}. Download or write the file again.`,
    );
  }
}

/**
 * @param error class of what this and the folder's methods throw
 * @param what the folder should be, for messages
 * @throws error when there is no such folder
 */
export async function openModelFolder(
  source: ModelSource,
  error: ErrorClass,
  what = "a model folder with config.json, model.safetensors and tokenizer.json",
): Promise<ModelFolder> {
  if (typeof source !== "string") {
    const isMap = typeof (source as Partial<typeof source> | undefined)?.keys === "function";
    requireThat(
      isMap,
      "fromPretrained",
      "source must be a folder, a Hub id or a Map of files",
      source,
      "Name a model.",
    );
    return new ModelFolder("model files", [...source.keys()].sort(), source, error);
  }
  try {
    const names = await files.readdir(source);
    return new ModelFolder(source.replace(/(.)\/+$/, "$1"), names.sort(), source, error);
  } catch (cause) {
    if (cause instanceof GradloomError) throw new error(`${source}: ${cause.message}`, { cause });
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const actual =
      code === "ENOENT" ? "nothing there" : code === "ENOTDIR" ? "a file" : `an error (${code})`;
    throw new error(
      `${source}: must be ${what}, got ${actual}. Check the path. A Hub id reads organisation/name, as google/flan-t5-base.`,
      { cause },
    );
  }
}
