// backward: gradients of a tensor with respect to the leaves it was computed from.

import { addInPlace } from "../kernels/pointwise/accumulate.ts";
import { AutogradError, DisposedError, ShapeError } from "../tensor/errors.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import { requireTensors } from "../tensor/requireTensors.ts";
import { scope } from "../tensor/scope.ts";
import { alias, full, type Tensor } from "../tensor/tensor.ts";
import { addForward } from "../kernels/pointwise/pointwise.ts";
import { noGrad, TapeNode } from "./tape.ts";
import { valueChecks, type GradientKind } from "./valueChecks.ts";

type Target = TapeNode | Tensor;

/** @internal Sees a backward pass while it goes on. */
export interface BackwardWatch {
  /** The gradient of a leaf has its last part: `sum` will not change any more in this pass. */
  onLeaf(leaf: Tensor, sum: Tensor): void;
  /** After each op's rule. */
  onNode(): void;
}

/**
 * Gradients of `output` (usually the loss).
 * @param output one element, unless `seed` is given
 * @param targets leaves or intermediate results; every leaf that requires a gradient when left out
 * @param seed gradient of whatever follows, of output's shape; ones by default
 * @param into for leaves whose gradients are added to tensors that exist (gradients of earlier batches, parts
 *   of one large buffer): those tensors, of the gradients' shape and dtype. One that something else views as
 *   well is left alone and disposed; the result tells where the sum is
 * @returns gradient of each target, of its shape and dtype (f32 for 16-bit targets). Targets that the
 *   output does not depend on are absent.
 * @throws {AutogradError} when nothing in `output` requires a gradient, or its graph was used before
 * @throws {DisposedError} for an output, a target or a seed that was freed: its graph went with it
 */
export function backward(
  output: Tensor,
  targets?: readonly Tensor[],
  seed?: Tensor,
  into: ReadonlyMap<Tensor, Tensor> = new Map(),
): Map<Tensor, Tensor> {
  requireTensors("backward", { output }, "Pass the loss.");
  for (const [leaf, x] of into) checkDestination("backward: into", leaf, x);
  return backwardOnto((leaf) => into.get(leaf), output, targets, seed);
}

/**
 * @internal `backward` with what each leaf's gradient is added to given by a function, null or undefined for a
 * tensor of its own.
 */
export function backwardOnto(
  into: (leaf: Tensor) => Tensor | null | undefined,
  output: Tensor,
  targets?: readonly Tensor[],
  seed?: Tensor,
  watch: BackwardWatch | null = null,
): Map<Tensor, Tensor> {
  const start = startOf(output, seed);
  const wanted = targets && new Map(targets.map((x) => [targetOf("target", x), x]));
  return noGrad(() =>
    scope(() => {
      const gradients = new PendingGradients(into);
      if (seed) check("seed", start, seed);
      gradients.add(start, seed ? alias(seed) : full(output.shape, 1, gradientOptions(output)));
      const nodes = wanted ? pathsTo(start, new Set(wanted.keys())) : reachable(start);
      const visited: ReadonlySet<Target> = new Set(nodes);
      const wants = (edge: Target) => wanted === undefined || wanted.has(edge) || visited.has(edge);
      const result = new Map<Tensor, Tensor>();
      const missing = watch && partsMissing(nodes);
      for (const node of nodes) {
        const dy = gradients.take(node);
        if (dy !== undefined) {
          const asked = wanted?.get(node);
          if (asked) result.set(asked, alias(dy));
          propagate(node, dy, gradients, wants);
          dy.dispose();
        }
        if (missing) tell(watch!, node, missing, gradients);
      }
      for (const [leaf, gradient] of gradients.leaves()) result.set(leaf, gradient);
      return result;
    }),
  );
}

function startOf(output: Tensor, seed: Tensor | undefined): Target {
  const start = targetOf("output", output);
  if (!output.requiresGrad) {
    throw new AutogradError(
      "backward: the output depends on no tensor that requires a gradient. " +
        "Make a leaf with requiresGrad: true, and do not run the forward in noGrad().",
    );
  }
  if (seed === undefined && output.size !== 1) {
    throw new ShapeError(
      `backward: the output must have 1 element, got ${formatShape(output.shape)}. Reduce it, or pass a seed.`,
    );
  }
  if (seed !== undefined && !sameShape(seed.shape, output.shape)) {
    throw new ShapeError(
      `backward: the seed must be ${formatShape(output.shape)} as the output, got ${formatShape(seed.shape)}`,
    );
  }
  return start;
}

/** @throws {DisposedError} for a freed tensor, which has lost its node and would be taken for a leaf */
function targetOf(role: string, x: Tensor): Target {
  if (x.disposed) {
    throw new DisposedError(
      `backward: the ${role} must be alive, got a freed ${x.dtype} ${formatShape(x.shape)}. ` +
        "Dispose it after backward, return it from its scope, or keep() it.",
    );
  }
  return x.node instanceof TapeNode ? x.node : x;
}

function gradientOptions(x: Tensor) {
  return { device: x.device, dtype: x.dtype === "f64" ? "f64" : "f32" } as const;
}

/** How many nodes may still add to each leaf's gradient. */
function partsMissing(nodes: readonly TapeNode[]): Map<Tensor, number> {
  const missing = new Map<Tensor, number>();
  for (const node of nodes) {
    for (const leaf of leavesOf(node)) missing.set(leaf, (missing.get(leaf) ?? 0) + 1);
  }
  return missing;
}

/** Leaves that a node's rule gives gradients to. */
function leavesOf({ edges, delivers }: TapeNode): ReadonlySet<Tensor> {
  const own = edges.filter((edge): edge is Tensor => edge !== null && !(edge instanceof TapeNode));
  return new Set([...own, ...delivers]);
}

/** Tells `watch` that a node is done, and which leaves that was the last one of. */
function tell(
  watch: BackwardWatch,
  node: TapeNode,
  missing: Map<Tensor, number>,
  gradients: PendingGradients,
): void {
  for (const leaf of leavesOf(node)) {
    const left = missing.get(leaf)! - 1;
    missing.set(leaf, left);
    const sum = left === 0 ? gradients.of(leaf) : undefined;
    if (sum !== undefined) watch.onLeaf(leaf, sum);
  }
  watch.onNode();
}

/** Runs one rule in a scope of its own and hands the gradients on. */
function propagate(
  node: TapeNode,
  dy: Tensor,
  gradients: PendingGradients,
  wanted: (edge: Target) => boolean,
): void {
  const needs = node.edges.map((edge) => edge !== null && wanted(edge));
  const offered = new Set<Tensor>();
  const onto = (to: number | Tensor): Tensor | null => {
    const edge = typeof to === "number" ? node.edges[to]! : to;
    const present = edge !== null && wanted(edge) ? gradients.writable(edge) : null;
    if (present) offered.add(present);
    return present;
  };
  const delivered: [Tensor, Tensor][] = [];
  const deliver = (leaf: Tensor, gradient: Tensor): void => {
    if (offered.has(gradient)) gradients.settle(leaf, gradient);
    else if (wanted(leaf)) delivered.push([leaf, alias(gradient)]);
  };
  const { results } = scope(() => ({
    results: [...node.run(dy, { needs, deliver, onto })],
    delivered, // these outlive the rule too
  }));
  valueChecks?.gradients(
    node,
    dy,
    results.map((gradient, i) => (needs[i] ? gradient : null)),
  );
  for (const [leaf, gradient] of delivered) gradients.add(leaf, gradient);
  node.edges.forEach((edge, i) => {
    const gradient = results[i] ?? null;
    if (gradient !== null && offered.has(gradient)) gradients.settle(edge!, gradient);
    else if (edge === null || gradient === null || !needs[i]) gradient?.dispose();
    // A rule may return dy itself, or one tensor twice: each receiver gets a handle of its own.
    else gradients.add(edge, alias(gradient));
  });
  for (const gradient of results) {
    if (gradient !== null && gradient !== dy && !offered.has(gradient)) gradient.dispose();
  }
}

/** Gradients on their way, by where they go. */
class PendingGradients {
  readonly #byTarget = new Map<Target, Tensor>();
  /** Where the first gradient of a leaf goes, if not into a tensor of its own. */
  readonly #into: (leaf: Tensor) => Tensor | null | undefined;

  constructor(into: (leaf: Tensor) => Tensor | null | undefined) {
    this.#into = into;
  }

  /** Takes over `gradient`. */
  add(target: Target, gradient: Tensor): void {
    const present = this.#present(target);
    const sum = present ? accumulate(present, gradient) : gradient;
    if (present) check("sum", target, sum);
    this.#byTarget.set(target, sum);
  }

  /** Notes that a gradient was added to what `writable` gave. */
  settle(target: Target, sum: Tensor): void {
    this.#byTarget.set(target, sum);
  }

  take(node: TapeNode): Tensor | undefined {
    const gradient = this.#byTarget.get(node);
    this.#byTarget.delete(node);
    return gradient;
  }

  /** The gradient on its way to `target`, if nobody else views its bytes. */
  writable(target: Target): Tensor | null {
    const gradient = this.#present(target);
    return gradient && !gradient.storage.shared ? gradient : null;
  }

  #present(target: Target): Tensor | null | undefined {
    const present = this.#byTarget.get(target);
    if (present !== undefined || target instanceof TapeNode) return present;
    const given = this.#into(target);
    if (given) check("into", target, given);
    return given;
  }

  /** What has come to a leaf so far. */
  of(leaf: Tensor): Tensor | undefined {
    return this.#byTarget.get(leaf);
  }

  leaves(): [Tensor, Tensor][] {
    return [...this.#byTarget].filter(
      (entry): entry is [Tensor, Tensor] => !(entry[0] instanceof TapeNode),
    );
  }
}

/** Shows a gradient of `target` to what checks values, if anything does. */
function check(kind: GradientKind, target: Target, gradient: Tensor): void {
  valueChecks?.gradient(kind, target instanceof TapeNode ? target : null, gradient);
}

/** @internal @throws {ShapeError} unless x has the shape and dtype of the leaf's gradient */
export function checkDestination(caller: string, leaf: Tensor, x: Tensor): void {
  const { dtype } = gradientOptions(leaf);
  if (!sameShape(x.shape, leaf.shape) || x.dtype !== dtype) {
    throw new ShapeError(
      `${caller} must hold ${dtype} ${formatShape(leaf.shape)} for a leaf of that shape, got ${x.dtype} ${formatShape(x.shape)}`,
    );
  }
}

/** @internal present + gradient, into present's storage when nothing else views it. Takes over both handles. */
export function accumulate(present: Tensor, gradient: Tensor): Tensor {
  if (present.storage.shared) {
    if (!gradient.storage.shared) return accumulate(gradient, present);
    const sum = addForward(present, gradient);
    present.dispose();
    gradient.dispose();
    return sum;
  }
  addInPlace(present, gradient);
  gradient.dispose();
  return present;
}

/** Nodes reachable from `start`, last made first. */
function reachable(start: Target): TapeNode[] {
  const seen = new Set<TapeNode>();
  const pending: Target[] = [start];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (!(at instanceof TapeNode) || seen.has(at)) continue;
    seen.add(at);
    for (const edge of at.edges) if (edge) pending.push(edge);
  }
  return [...seen].sort((a, b) => b.sequence - a.sequence);
}

/** The reachable nodes from which some target can be reached, last made first. */
function pathsTo(start: Target, targets: ReadonlySet<Target>): TapeNode[] {
  const all = reachable(start);
  const useful = new Set<Target>(targets);
  for (const node of all) if (node.delivers.size > 0) useful.add(node);
  for (let i = all.length - 1; i >= 0; i--) {
    if (all[i]!.edges.some((edge) => edge !== null && useful.has(edge))) useful.add(all[i]!);
  }
  return all.filter((node) => useful.has(node));
}
