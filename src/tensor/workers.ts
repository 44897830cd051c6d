// Worker threads of the cpu device: of Node, or Web Workers. Each runs a text of its own, for a package may be bundled into one file.

import { DeviceError } from "./errors.ts";
import { nodeModule } from "./nodeModule.ts";
import { isNode } from "./runtime.ts";

export interface WorkerHandle {
  /** Resolves (in browsers: at once) when the thread has ended. */
  terminate(): unknown;
  /** Rejects when the worker could not be started, or has failed; never resolves. */
  readonly failure: Promise<never>;
  /** Gets what the worker posts. */
  onMessage(receive: (message: unknown) => void): void;
  /** Whether the process stays alive for it; it does not unless told. Pages do not care. */
  holdProcess(hold: boolean): void;
}

/**
 * Starts a worker.
 * @param body of a script that declares an asynchronous function `start`, which gets `data`; `post` sends a message
 * @param script on pages: address of the package's cpuWorker.js, which holds every body; a blob: address unless given
 * @throws {DeviceError} where the host forbids workers, naming the setting
 */
export async function startWorker(
  body: string,
  data: Readonly<Record<string, unknown>>,
  script?: string,
): Promise<WorkerHandle> {
  return isNode ? startInNode(body, data) : startOnPage(body, data, script);
}

async function startInNode(
  body: string,
  data: Readonly<Record<string, unknown>>,
): Promise<WorkerHandle> {
  const { Worker } = nodeModule("node:worker_threads");
  // Neither require nor import: which of them there is depends on the flags of the process (--input-type).
  const text = `const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
const post = (message) => parentPort.postMessage(message);
${body}
start(workerData).catch((error) => setImmediate(() => { throw error; }));`;
  const worker = orRefused(() => new Worker(text, { eval: true, workerData: data }));
  worker.unref();
  const failure = new Promise<never>((_, reject) => {
    worker.once("error", (error) => reject(refusal(error)));
  });
  failure.catch(() => undefined); // Whoever waits is told.
  return {
    terminate: () => worker.terminate(),
    failure,
    onMessage(receive) {
      worker.on("message", receive);
      worker.unref(); // a listener holds the process again
    },
    holdProcess(hold) {
      if (hold) worker.ref();
      else worker.unref();
    },
  };
}

function startOnPage(
  body: string,
  data: Readonly<Record<string, unknown>>,
  script: string | undefined,
): WorkerHandle {
  const text = `const post = (message) => postMessage(message);
${body}
onmessage = ({ data }) => start(data).catch((error) => setTimeout(() => { throw error; }));`;
  const url = script ?? URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = orRefused(() => new Worker(url));
  const failure = new Promise<never>((_, reject) => {
    worker.onerror = ({ message }) => reject(refusal(message || "none", script));
  });
  failure.catch(() => undefined);
  worker.postMessage(data);
  return {
    terminate: () => worker.terminate(),
    failure,
    onMessage(receive) {
      worker.onmessage = (event: MessageEvent<unknown>) => receive(event.data);
    },
    holdProcess: () => undefined,
  };
}

function orRefused<T>(start: () => T): T {
  try {
    return start();
  } catch (error) {
    throw refusal(error);
  }
}

/** The cure for each way in which a host forbids workers. */
function refusal(cause: unknown, script?: string): DeviceError {
  const got = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  const isDenied = (cause as { code?: unknown } | null)?.code === "ERR_ACCESS_DENIED";
  const cure = isDenied
    ? "Allow them in Node's permission model with --allow-worker"
    : /TrustedScriptURL|Trusted Type/i.test(got)
      ? "The page requires Trusted Types: give it a default policy whose createScriptURL lets blob: URLs through"
      : isNode
        ? "Let this process start worker threads"
        : script === undefined
          ? "Allow worker-src blob: in its Content-Security-Policy, or serve the package's cpuWorker.js and pass its address as workerUrl"
          : `Serve this version's cpuWorker.js at ${script}, with the headers of the page`;
  return new DeviceError(
    `openDevice: threads must be workers that this ${isNode ? "process" : "page"} may start, got ${got.slice(0, 200)}. ` +
      `${cure}, or pass threads: 1 (and no background).`,
    { cause },
  );
}
