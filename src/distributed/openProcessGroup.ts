// Opens the group that this process belongs to. Node only.

import { DistributedError } from "../tensor/errors.ts";
import { launchOf } from "./launcher.ts";
import { Mpi } from "./mpi.ts";
import { MpiGroup } from "./mpiGroup.ts";
import { singleProcess, type ProcessGroup } from "./processGroup.ts";

/** Seconds that a collective may take: a checkpoint on a slow disk takes minutes, during which the other ranks wait. */
const PATIENCE = 1800;

/** MPI can be initialised once in a process. */
let opened: Promise<ProcessGroup> | null = null;

/**
 * The processes that train one model together.
 * @param kind "mpi" by the installed library of MPI; "none" for this process alone; "auto" for MPI where a launcher (mpirun,
 *   mpiexec, srun) started this process with others, else none
 * @throws {DistributedError} for another kind; without koffi or MPI; where library and launcher do not belong together
 */
export function openProcessGroup(kind: "mpi" | "none" | "auto" = "auto"): Promise<ProcessGroup> {
  const launch = launchOf(process.env);
  switch (kind) {
    case "none":
      return Promise.resolve(singleProcess);
    case "auto":
      if ((launch?.size ?? 1) === 1) return Promise.resolve(singleProcess);
      return (opened ??= openMpi());
    case "mpi":
      return (opened ??= openMpi());
    default:
      throw new DistributedError(
        `openProcessGroup: the kind must be "mpi", "none" or "auto", got ${JSON.stringify(kind)}`,
      );
  }
}

async function openMpi(): Promise<ProcessGroup> {
  const patience = Number(process.env["GRADLOOM_MPI_TIMEOUT"] ?? PATIENCE);
  if (!(patience > 0)) {
    throw new DistributedError(
      `GRADLOOM_MPI_TIMEOUT: must be a number of seconds above 0, got ${process.env["GRADLOOM_MPI_TIMEOUT"]}`,
    );
  }
  return new MpiGroup(await Mpi.open(launchOf(process.env)), patience);
}
