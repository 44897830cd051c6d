// One run at a time writes to an output folder. The lock is a file in it that says who has it: process, host, since when.
// Who finds the lock of a process that is gone takes it over. In pages the browser keeps the lock.

import { CheckpointError } from "../../tensor/errors.ts";
import { files } from "../../tensor/files/files.ts";
import { join, resolve } from "../../tensor/files/paths.ts";
import { tryLock } from "../../tensor/files/webLocks.ts";
import { nodeModule } from "../../tensor/nodeModule.ts";
import { isNode } from "../../tensor/runtime.ts";

/** Who holds a folder, as its lock file says. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Linux: which processes the pid is counted among, for containers have their own; "" elsewhere. */
  readonly pidNamespace: string;
  /** Linux: when the process began, in ticks since the machine did, for pids are used again; "" elsewhere. */
  readonly processStart: string;
  /** When the lock was taken, ISO 8601. */
  readonly since: string;
  /** Tells two locks of one process apart. */
  readonly id: string;
}

const LOCK = ".gradloom.lock";
/** Exists for the moment in which a process replaces the lock of one that is gone. */
const TAKEOVER = ".gradloom.lock.takeover";
/** Milliseconds after which a process must have been killed in that moment. */
const TAKEOVER_LIMIT = 10_000;
const POLL = 20;

/**
 * Makes the folder where it is missing, and locks it.
 * @returns gives the lock back; to be called once
 * @throws {CheckpointError} when another run holds the lock, in this process or another
 */
export async function lockOutputFolder(folder: string): Promise<() => Promise<void>> {
  return isNode ? lockByFile(folder) : lockInPage(folder);
}

/** Given back by the browser, too, when the page or worker is closed or crashes. */
async function lockInPage(folder: string): Promise<() => Promise<void>> {
  await files.makeFolder(folder);
  const release = await tryLock(`gradloom run ${resolve(folder)}`);
  if (release !== null) return release;
  throw new CheckpointError(
    `outputDir: ${folder} must be of one run at a time, got one that a page or worker of this site trains in. ` +
      "Wait for that run or choose another outputDir.",
  );
}

async function lockByFile(folder: string): Promise<() => Promise<void>> {
  const { mkdir, rm, stat } = nodeModule("node:fs/promises");
  // Not mkdir's `recursive` where the folder is there: it may be one that cannot be made, such as a mounted one.
  if (!(await stat(folder).catch(() => null))) await mkdir(folder, { recursive: true });
  const self = await describeSelf();
  const path = join(folder, LOCK);
  own.set(self.id, path);
  try {
    await takeLock(folder, path, self);
  } catch (error) {
    own.delete(self.id);
    throw error;
  }
  return async () => {
    own.delete(self.id);
    if ((await readHolder(path).catch(() => null))?.id === self.id) await rm(path, { force: true });
  };
}

/** Locks that this process holds or is about to: the path by id. */
const own = new Map<string, string>();

/** For a process that ends now: at once, so that no work of this process goes on without its lock. */
export function deleteOwnLocks(): void {
  const { readFileSync, rmSync } = nodeModule("node:fs");
  for (const [id, path] of own) {
    try {
      rmSync(draftOf(path, id), { force: true });
      if (holderIn(readFileSync(path, "utf8")).id === id) rmSync(path, { force: true });
    } catch {
      // There is none yet, or it cannot be deleted: who comes next finds that the process is gone.
    }
  }
  own.clear();
}

async function takeLock(folder: string, path: string, self: Holder): Promise<void> {
  const { rm, writeFile } = nodeModule("node:fs/promises");
  const takeover = join(folder, TAKEOVER);
  for (;;) {
    if (await create(path, self)) return deleteOldDrafts(folder);
    const holder = await readHolder(path);
    if (holder === null) continue; // given back meanwhile
    if (!(await isGone(holder, self))) throw refusal(folder, path, holder);
    // Only who has the takeover file may delete the lock of a process that is gone, and only when it is still that one.
    try {
      await writeFile(takeover, "", { flag: "wx" });
    } catch {
      await breakOldTakeover(takeover);
      await new Promise((resolve) => setTimeout(resolve, POLL));
      continue;
    }
    try {
      if ((await readHolder(path))?.id === holder.id) await rm(path, { force: true });
    } finally {
      await rm(takeover, { force: true });
    }
  }
}

const draftOf = (path: string, id: string): string => `${path}.${id}`;

/** The lock file appears with its content: nobody reads half of it. @returns false when there is one */
async function create(path: string, self: Holder): Promise<boolean> {
  const { link, rm, writeFile } = nodeModule("node:fs/promises");
  const temporary = draftOf(path, self.id);
  await writeFile(temporary, JSON.stringify(self));
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    // File systems without links.
    return await writeFile(path, JSON.stringify(self), { flag: "wx" }).then(
      () => true,
      (second: NodeJS.ErrnoException) => {
        if (second.code === "EEXIST") return false;
        throw second;
      },
    );
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A lock before it was linked to its name, by the id that `create` gives it. */
const DRAFT = /^\.gradloom\.lock\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Deletes what processes left that were killed while they took a lock. */
async function deleteOldDrafts(folder: string): Promise<void> {
  const { readdir, rm, stat } = nodeModule("node:fs/promises");
  for (const name of await readdir(folder)) {
    if (!DRAFT.test(name)) continue;
    const found = await stat(join(folder, name)).catch(() => null);
    const isOld = found?.isFile() === true && Date.now() - found.mtimeMs > TAKEOVER_LIMIT;
    if (isOld) await rm(join(folder, name), { force: true });
  }
}

/** null when there is no lock. */
async function readHolder(path: string): Promise<Holder | null> {
  const { readFile } = nodeModule("node:fs/promises");
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return text === null ? null : holderIn(text);
}

/** Who holds the lock. Of a file that is none of ours, a holder that is never gone. */
function holderIn(text: string): Holder {
  const nobody = { pid: 0, host: "?", pidNamespace: "", processStart: "", since: "?", id: text };
  try {
    const { pid, host, pidNamespace, processStart, since, id } = JSON.parse(text) as Holder;
    const isWhole =
      Number.isInteger(pid) &&
      [host, pidNamespace, processStart, since, id].every((value) => typeof value === "string");
    return isWhole ? { pid, host, pidNamespace, processStart, since, id } : nobody;
  } catch {
    return nobody;
  }
}

async function describeSelf(): Promise<Holder> {
  const { readlink } = nodeModule("node:fs/promises");
  const { hostname } = nodeModule("node:os");
  return {
    pid: process.pid,
    host: hostname(),
    pidNamespace: await readlink("/proc/self/ns/pid").catch(() => ""),
    processStart: await processStart("self"),
    since: new Date().toISOString(),
    id: crypto.randomUUID(),
  };
}

/** Whether the process of a lock has ended. Of another machine or container nobody knows: then false. */
async function isGone(holder: Holder, self: Holder): Promise<boolean> {
  if (holder.host !== self.host || holder.pidNamespace !== self.pidNamespace) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  if (holder.processStart === "") return false;
  return (await processStart(holder.pid)) !== holder.processStart;
}

/** Field 22 of /proc/PID/stat; the name before it may hold blanks and parentheses. */
async function processStart(pid: number | "self"): Promise<string> {
  const { readFile } = nodeModule("node:fs/promises");
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

async function breakOldTakeover(path: string): Promise<void> {
  const { rm, stat } = nodeModule("node:fs/promises");
  const found = await stat(path).catch(() => null);
  if (found && Date.now() - found.mtimeMs > TAKEOVER_LIMIT) await rm(path, { force: true });
}

function refusal(folder: string, path: string, { pid, host, since }: Holder): CheckpointError {
  return new CheckpointError(
    `outputDir: ${folder} must be of one run at a time, got the lock of process ${pid} on ${host} since ${since}. ` +
      `Wait for that run or choose another outputDir; if it is over for sure, delete ${path}.`,
  );
}
