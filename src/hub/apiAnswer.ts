// Answers of the Hub's API, read with limits and checked before @huggingface/hub takes them apart: a proxy or a login page
// may answer in its place, with anything.

import { HubError } from "../tensor/errors.ts";
import { joinBytes } from "../tensor/joinBytes.ts";
import { parseJson } from "../tensor/json.ts";
import { subject, unreachableError, type Request } from "./statusError.ts";

/** Bytes of an answer when it is unpacked. A page of 1,000 files has some 300 KB. */
const MOST_BYTES = 32 * 2 ** 20;
/** Pages of one question: 200,000 files; their bytes; and how long they may take together, in times that one may take. */
const MOST_PAGES = 200;
const MOST_BYTES_OF_ALL = 4 * MOST_BYTES;
const MOST_TIMES = 20;

/** One question, which the library may ask in pages. */
export class Answers {
  readonly #request: Request;
  readonly #isList: boolean;
  readonly #asked = new Set<string>();
  readonly #late: number;
  #bytesOfAll = 0;

  /** @param timeout milliseconds that one page may take */
  constructor(request: Request, isList: boolean, timeout: number) {
    this.#request = request;
    this.#isList = isList;
    this.#late = performance.now() + MOST_TIMES * timeout;
  }

  /**
   * What the library makes of the answers.
   * @throws {HubError} also for what the library throws about them
   */
  async take<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const isOurs = error instanceof HubError || (error as Error).name === "AbortError";
      throw isOurs ? error : this.#error("fields of other kinds", error);
    }
  }

  /** @throws {HubError} for a page that leads nowhere, or comes too late after all others */
  checkPage(address: URL): void {
    if (!/^https?:$/.test(address.protocol))
      throw this.#error(`a next page at ${address.protocol}`);
    if (this.#asked.has(address.href)) throw this.#error("the same page again as the next one");
    if (this.#asked.size === MOST_PAGES) throw this.#error(`more than ${MOST_PAGES} pages`);
    if (performance.now() > this.#late)
      throw this.#error(
        `${this.#asked.size} pages, and more to come, in ${MOST_TIMES} times the time of one`,
      );
    this.#asked.add(address.href);
  }

  /**
   * The answer with its body in memory, as JSON of the right kind.
   * @throws {HubError} for anything else
   */
  async read(response: Response): Promise<Response> {
    const bytes = await this.#bytes(response);
    let value: unknown;
    try {
      value = parseJson(new TextDecoder().decode(bytes));
    } catch {
      const type = response.headers.get("content-type")?.split(";")[0] ?? "no type";
      throw this.#error(`no JSON (${type}, ${bytes.length} bytes: a login page of the network?)`);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value) !== this.#isList)
      throw this.wrong(this.#isList ? "a list" : "an object", value);
    if (Array.isArray(value)) {
      const other = value.find((entry) => typeof entry !== "object" || entry === null) as unknown;
      if (other !== undefined) throw this.#error(`a list with ${kindOf(other)} in it`);
    }
    const { status, headers } = response;
    const link = headers.get("link");
    const type = "application/json";
    return new Response(bytes, {
      status,
      headers: { "content-type": type, ...(link === null ? {} : { link }) },
    });
  }

  /** What the answer must be, and is not. */
  wrong(must: string, got: unknown): HubError {
    return this.#error(`${kindOf(got)} where ${must} must be`);
  }

  async #bytes(response: Response): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    const reader = response.body?.getReader();
    try {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
        if (done) break;
        size += value.length;
        if (size > MOST_BYTES) throw this.#error(`more than ${MOST_BYTES / 2 ** 20} MiB`);
        this.#bytesOfAll += value.length;
        if (this.#bytesOfAll > MOST_BYTES_OF_ALL)
          throw this.#error(
            `more than ${MOST_BYTES_OF_ALL / 2 ** 20} MiB in ${this.#asked.size} pages`,
          );
        pieces.push(value);
      }
    } catch (error) {
      if (error instanceof HubError) throw error;
      throw unreachableError(this.#request, error);
    } finally {
      await reader?.cancel().catch(() => undefined);
    }
    return joinBytes(pieces);
  }

  #error(got: string, cause?: unknown): HubError {
    const { endpoint } = this.#request;
    return new HubError(
      "unreachable",
      `${subject(this.#request)}: ${endpoint} must answer as a Hub does, got ${got}. Check the network, and HF_ENDPOINT where it is set.`,
      { cause },
    );
  }
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
