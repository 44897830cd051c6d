// Memory of the processes that this process has started and that draw pages (Linux).

import { readdirSync } from "node:fs";

/** Bytes resident in renderers of our Chromium. @param read a file of /proc; throws where a process has ended */
export function rendererMemory(read: (path: string) => string): number {
  const parents = new Map<number, number>();
  const renderers: { readonly id: number; readonly pages: number }[] = [];
  for (const id of readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    try {
      const stat = read(`/proc/${id}/stat`);
      parents.set(id, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
      if (!read(`/proc/${id}/cmdline`).includes("--type=renderer")) continue;
      renderers.push({ id, pages: Number(read(`/proc/${id}/statm`).split(" ")[1]) });
    } catch {
      continue; // it has ended
    }
  }
  const isOurs = (id: number | undefined): boolean =>
    id !== undefined && id > 1 && (id === process.pid || isOurs(parents.get(id)));
  return renderers.filter(({ id }) => isOurs(id)).reduce((sum, { pages }) => sum + 4096 * pages, 0);
}
