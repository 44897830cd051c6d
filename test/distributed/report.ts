// How a rank tells the test what it got: a file of its own, for launchers mix what ranks print.

import { writeFileSync } from "node:fs";

export function report(rank: number, result: object): void {
  const folder = process.env["RANK_RESULTS"];
  if (folder === undefined) throw new Error("RANK_RESULTS: runRanks sets it");
  writeFileSync(`${folder}/${rank}.json`, JSON.stringify({ rank, ...result }));
}
