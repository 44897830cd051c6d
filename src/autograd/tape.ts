// The tape: which op made a tensor, what it saved, and how gradients flow back through it.
//
// A node hangs on the output tensor of an op and counts its holders: the output's handle and the
// nodes that consumed it. When nobody is left, it lets go of what it saved, so dropping a loss that
// never sees `backward` frees its whole graph. Gradients that meet are added in backward.ts, not here; a rule adds only
// to what its context's `onto` offers.

import { AutogradError, DisposedError } from "../tensor/errors.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Synchronous } from "../tensor/scope.ts";
import { keep, requireFunction } from "../tensor/scope.ts";
import type { GraphNode, Tensor } from "../tensor/tensor.ts";
import { keptAlias } from "../tensor/tensor.ts";
import { valueChecks } from "./valueChecks.ts";

/** Tensors (or null) by name; what a backward rule reads again. */
export type Saved = Readonly<Record<string, Tensor | null>>;

/** An op that was called, as `record` puts it on the tape. */
export interface Recording<S extends Saved> {
  /** Public name of the op, for messages and for drawings of the tape. */
  readonly name: string;
  /** Every tensor that a gradient may flow to. */
  readonly inputs: readonly (Tensor | null)[];
  /** What the op read, for `detectAnomaly`, where that is not its inputs. */
  readonly reads?: readonly (Tensor | null)[];
  readonly output: Tensor;
  /** What `backward` reads. Saved tensors stay alive until their rule has run. */
  readonly saved: S;
  /** Leaves that the rule delivers gradients to besides its inputs (`checkpoint`); records even when no input requires one. */
  readonly leaves?: ReadonlySet<Tensor>;
  /** The op's rule: gradients of `inputs`, in their order, each of its input's shape; null where none is needed. */
  backward(dy: Tensor, saved: S, context: RuleContext): readonly (Tensor | null)[];
}

/** What `backward` tells a rule, beside the gradient of its output. */
export interface RuleContext {
  /** needs[i]: input i wants a gradient. */
  readonly needs: readonly boolean[];
  /** Lets a rule hand a gradient to a leaf that is not among its inputs (`checkpoint` finds such leaves). */
  readonly deliver: (leaf: Tensor, gradient: Tensor) => void;
  /**
   * What other consumers of input i, or of a leaf that is to be delivered, have contributed to its gradient so far,
   * if that may be overwritten by its sum with this rule's part. A rule whose kernel can add may add there and return
   * that, which saves a tensor and a pass over it; null: return a new one.
   */
  readonly onto: (to: number | Tensor) => Tensor | null;
}

/** Where a gradient goes: on to the op that made the input, or into a leaf. */
type Edge = TapeNode | Tensor | null;

const NO_LEAVES: ReadonlySet<Tensor> = new Set();

let enabled = true;
/** Sees the inputs of ops that are not recorded; see `watchInputs`. */
let watcher: ((inputs: readonly (Tensor | null)[]) => void) | null = null;
let created = 0;

export class TapeNode implements GraphNode {
  readonly name: string;
  readonly edges: readonly Edge[];
  /** Creation order, which is a topological order. */
  readonly sequence = created++;
  readonly outputShape: readonly number[];
  /** Leaves to which gradients may go by `deliver`. */
  readonly delivers: ReadonlySet<Tensor>;
  /** Stack of the op's call; null unless values are checked (detectAnomaly). */
  readonly calledAt: string | null;
  readonly #saved: Record<string, Tensor | null>;
  readonly #rule: Recording<Saved>["backward"];
  #holders = 1;
  #consumed = false;

  constructor(
    recording: Recording<Saved>,
    saved: Record<string, Tensor | null>,
    edges: readonly Edge[],
    calledAt: string | null,
  ) {
    this.name = recording.name;
    this.calledAt = calledAt;
    this.outputShape = recording.output.shape;
    this.delivers = recording.leaves ?? NO_LEAVES;
    this.#rule = recording.backward;
    this.#saved = saved;
    this.edges = edges;
    for (const edge of edges) if (edge instanceof TapeNode) edge.#holders++;
  }

  /** One holder fewer; the last one frees the saved tensors, here and in nodes that only this one held. */
  release(): void {
    const pending: TapeNode[] = [this];
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      if (--node.#holders > 0) continue;
      node.#free();
      for (const edge of node.edges) if (edge instanceof TapeNode) pending.push(edge);
    }
  }

  /** Gradients of the inputs from the gradient of the output. Runs once: it frees what was saved. */
  run(dy: Tensor, context: RuleContext): readonly (Tensor | null)[] {
    if (this.#consumed) {
      throw new AutogradError(
        `backward: ${this.name} was already used by a backward and its saved tensors are freed. ` +
          "Run the forward again.",
      );
    }
    const gradients = this.#rule(dy, this.#saved, context);
    this.#free();
    return gradients;
  }

  /** Keeps x as if it had been saved: what becomes known only while gradients flow (`linearEach`), or copies (keptCopies.ts). */
  hold(name: string, x: Tensor): void {
    if (!this.#consumed) this.own(name, keptAlias(x)); // else the next of this name would take its place unfreed
  }

  /** The same of a tensor that is handed over, for the node to free. @returns false where it stays the caller's: the rule has run */
  own(name: string, x: Tensor): boolean {
    if (this.#consumed) return false;
    this.#saved[name] = keep(x);
    return true;
  }

  /** What `hold` or `own` kept, until the rule has run; null for another name. */
  held(name: string): Tensor | null {
    return this.#consumed ? null : (this.#saved[name] ?? null);
  }

  #free(): void {
    this.#consumed = true;
    for (const name in this.#saved) this.#saved[name]?.dispose();
  }
}

/**
 * Makes `output` the result of an op that `backward` can go through. Does nothing when the tape is off
 * or no input requires a gradient.
 * @returns output
 */
export function record<S extends Saved>(recording: Recording<S>): Tensor {
  const { name, inputs, output, reads = inputs } = recording;
  const calledAt = valueChecks === null ? null : valueChecks.output(name, reads, output);
  if (!enabled) {
    watcher?.(inputs);
    return output;
  }
  const edges = inputs.map(edgeOf);
  if (!recording.leaves?.size && edges.every((edge) => edge === null)) return output;
  const saved: Record<string, Tensor | null> = {};
  for (const name in recording.saved) {
    const x = recording.saved[name]!;
    saved[name] = x && keptAlias(x);
  }
  // The rule reads back exactly the names that were saved, so its view of them is S.
  output.node = new TapeNode(recording as unknown as Recording<Saved>, saved, edges, calledAt);
  output.requiresGrad = true;
  return output;
}

function edgeOf(x: Tensor | null): Edge {
  if (x === null || !x.requiresGrad) return null;
  return x.node instanceof TapeNode ? x.node : x;
}

/** Runs `fn` without recording: nothing made inside has a gradient. */
export function noGrad<T>(fn: () => T, ..._synchronous: Synchronous<T>): T {
  requireFunction("noGrad", fn);
  return withTape(false, fn);
}

/** Runs `fn` with recording, also inside `noGrad`; `checkpoint` recomputes this way. */
export function enableGrad<T>(fn: () => T, ..._synchronous: Synchronous<T>): T {
  return withTape(true, fn);
}

/** Runs `fn` without recording and shows the inputs of each of its ops to `see`. */
export function watchInputs<T>(
  fn: () => T,
  see: (inputs: readonly (Tensor | null)[]) => void,
  ..._synchronous: Synchronous<T>
): T {
  const before = watcher;
  watcher = see;
  try {
    return withTape(false, fn);
  } finally {
    watcher = before;
  }
}

function withTape<T>(on: boolean, fn: () => T): T {
  const before = enabled;
  enabled = on;
  try {
    return fn();
  } finally {
    enabled = before;
  }
}

/** Whether ops are being recorded. */
export function isGradEnabled(): boolean {
  return enabled;
}

/**
 * The tape behind `output` as a Graphviz drawing: ops with their output shapes, and leaves.
 * @throws {DisposedError} for an output that was freed, and its tape with it
 */
export function toGraphviz(output: Tensor): string {
  if (output.disposed) {
    throw new DisposedError(
      `toGraphviz: the output must be alive, got a freed ${output.dtype} ${formatShape(output.shape)}. Draw it before dispose().`,
    );
  }
  const lines: string[] = [];
  const ids = new Map<TapeNode | Tensor, number>();
  const visit = (at: TapeNode | Tensor): number => {
    const known = ids.get(at);
    if (known !== undefined) return known;
    const id = ids.size;
    ids.set(at, id);
    if (at instanceof TapeNode) {
      lines.push(`  n${id} [label="${at.name} ${formatShape(at.outputShape)}"];`);
      for (const edge of at.edges) if (edge) lines.push(`  n${visit(edge)} -> n${id};`);
    } else lines.push(`  n${id} [shape=box, label="leaf ${formatShape(at.shape)}"];`);
    return id;
  };
  if (output.node instanceof TapeNode) visit(output.node);
  return `digraph tape {\n${lines.join("\n")}\n}\n`;
}

/**
 * The former name of {@link toGraphviz}, which readers took for a dot product.
 * @deprecated since 0.2.0, and gone in 0.3.0: call `toGraphviz`.
 */
export function dot(output: Tensor): string {
  return toGraphviz(output);
}
