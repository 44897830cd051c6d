// Which launcher started this process, read from the variables that it sets.

/** What a launcher says about this process and its peers. */
export interface Launch {
  /** As its users call it: "Open MPI's mpirun", "srun". */
  readonly name: string;
  /** Whose library answers it; null where any may (Slurm's and others' process managers). */
  readonly family: "openmpi" | "mpich" | null;
  /** Processes started together. */
  readonly size: number;
  /** Of them on this machine; null where the launcher does not say. */
  readonly localSize: number | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Rule {
  readonly name: string;
  readonly family: Launch["family"];
  readonly size: string;
  readonly localSize: string;
}

/**
 * In the order in which they are asked: mpirun inside a Slurm job sets its own variables besides Slurm's. SLURM_NTASKS
 * is not asked, for a batch script has it too; SLURM_STEP_NUM_TASKS is set for what srun starts.
 */
const RULES: readonly Rule[] = [
  {
    name: "Open MPI's mpirun",
    family: "openmpi",
    size: "OMPI_COMM_WORLD_SIZE",
    localSize: "OMPI_COMM_WORLD_LOCAL_SIZE",
  },
  {
    name: "MVAPICH's mpirun",
    family: "mpich",
    size: "MV2_COMM_WORLD_SIZE",
    localSize: "MV2_COMM_WORLD_LOCAL_SIZE",
  },
  { name: "srun", family: null, size: "SLURM_STEP_NUM_TASKS", localSize: "" },
  { name: "Cray PALS", family: "mpich", size: "PALS_SIZE", localSize: "PALS_LOCAL_SIZE" },
  { name: "MPICH's mpiexec", family: "mpich", size: "PMI_SIZE", localSize: "MPI_LOCALNRANKS" },
];

/** What started this process; null where no launcher of MPI did. */
export function launchOf(environment: Environment): Launch | null {
  for (const rule of RULES) {
    const size = positive(environment[rule.size]);
    if (size === null) continue;
    const localSize =
      rule.name === "srun" ? slurmLocalSize(environment) : positive(environment[rule.localSize]);
    return { name: rule.name, family: rule.family, size, localSize };
  }
  return null;
}

/** Slurm's SLURM_STEP_TASKS_PER_NODE is "2(x3),1", a list by node; only a list of one number says what is here. */
function slurmLocalSize(environment: Environment): number | null {
  const text = environment.SLURM_STEP_TASKS_PER_NODE ?? "";
  const match = /^(\d+)(\(x\d+\))?$/.exec(text);
  return match === null ? null : Number(match[1]);
}

function positive(text: string | undefined): number | null {
  const value = Number(text);
  return text !== undefined && Number.isInteger(value) && value > 0 ? value : null;
}

/**
 * Threads for a rank of several on one machine, where nothing bound it to cores of its own: its share of them.
 * @param cores of the machine
 * @param available cores that this process may use
 * @returns null to leave the choice as it is
 */
export function threadsOfRank(
  launch: Launch | null,
  cores: number,
  available: number,
): number | null {
  const ranks = launch?.localSize ?? 1;
  if (ranks === 1 || available < cores) return null;
  return Math.max(1, Math.floor(available / ranks));
}
