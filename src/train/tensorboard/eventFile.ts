// A file of events, which TensorBoard reads while it grows.

import { GradloomError } from "../../tensor/errors.ts";
import { files } from "../../tensor/files/files.ts";
import { join } from "../../tensor/files/paths.ts";
import { joinBytes } from "../../tensor/joinBytes.ts";
import { hostName, processId } from "../../tensor/host.ts";
import { summaryRecord, versionRecord, type Summary, type Writer } from "./events.ts";

/** Files of one process that begin in the same second. */
let count = 0;

export class EventFile {
  readonly path: string;
  readonly #writer: Writer;

  private constructor(path: string, writer: Writer) {
    this.path = path;
    this.#writer = writer;
  }

  /**
   * Begins a new file in `folder`, which is made when it does not exist; older files in it belong to the same run for
   * TensorBoard, and stay.
   * @throws {GradloomError} when it cannot be written
   */
  static async create(folder: string): Promise<EventFile> {
    const { BinaryWriter } = await import("@bufbuild/protobuf/wire");
    const seconds = Date.now() / 1000;
    const name = `events.out.tfevents.${Math.floor(seconds)}.${hostName()}.${processId()}.${count++}`;
    const file = new EventFile(join(folder, name), BinaryWriter);
    await files.makeFolder(folder).catch((error: unknown) => file.#fail(error));
    await file.#append([versionRecord(BinaryWriter, seconds)]);
    return file;
  }

  /** Adds summaries of one update, in one piece. @throws {GradloomError} when they cannot be written */
  async add(step: number, summaries: readonly Summary[]): Promise<void> {
    const seconds = Date.now() / 1000;
    await this.#append(
      summaries.map((summary) => summaryRecord(this.#writer, seconds, step, summary)),
    );
  }

  async #append(records: readonly Uint8Array[]): Promise<void> {
    await files
      .appendFile(this.path, joinBytes(records))
      .catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): never {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new GradloomError(
      `loggingDir: must be a folder that can be written to, got ${code} for ${this.path}. Choose another one.`,
      { cause: error },
    );
  }
}

/** Where transformers and PyTorch put the files of a run: runs/Nov29_13-05-07_host. */
export function defaultLoggingDir(outputDir: string, now = new Date()): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const month = now.toLocaleString("en-US", { month: "short" });
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join("-");
  return join(outputDir, "runs", `${month}${two(now.getDate())}_${time}_${hostName()}`);
}
