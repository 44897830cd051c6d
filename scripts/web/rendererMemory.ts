// Memory of the processes that this process has started and that draw pages (Linux).

import { readdirSync } from "node:fs";

/**
 * Bytes of their own that renderers of our Chromium have resident: anonymous and shared ones. Pages of Chromium's own file, a third of
 * all, come in as its code runs for the first time, and are no page's.
 * @param read a file of /proc; throws where a process has ended
 */
export function rendererMemory(read: (path: string) => string): number {
  const parents = new Map<number, number>();
  const renderers: { readonly id: number; readonly bytes: number }[] = [];
  for (const id of readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    try {
      const stat = read(`/proc/${id}/stat`);
      parents.set(id, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
      if (!read(`/proc/${id}/cmdline`).includes("--type=renderer")) continue;
      renderers.push({ id, bytes: ownBytes(read(`/proc/${id}/status`)) });
    } catch {
      continue; // it has ended
    }
  }
  const isOurs = (id: number | undefined): boolean =>
    id !== undefined && id > 1 && (id === process.pid || isOurs(parents.get(id)));
  return renderers.filter(({ id }) => isOurs(id)).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Of the text of /proc/ID/status, which counts in kB of 1,024 bytes. */
function ownBytes(status: string): number {
  const kilobytes = [...status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)];
  return kilobytes.reduce((sum, [, count]) => sum + 1024 * Number(count), 0);
}
