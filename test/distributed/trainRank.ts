// One rank of a training run; trainTogether.test.ts says what it trains.

import { openProcessGroup } from "../../src/distributed/openProcessGroup.ts";
import { report } from "./report.ts";
import { trainOnce, type TrainCase } from "./trainCase.ts";

const group = await openProcessGroup("auto");
const given = JSON.parse(process.argv[2]!) as TrainCase;
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
const result = await trainOnce(given, group, stop.signal);
report(group.rank, result);
await group.close();
