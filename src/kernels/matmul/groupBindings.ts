// The tensors of several products in one kernel: a, a1, a2, b, b1, b2 and c, c1, c2, as many of each as there are.

/** How many tensors each operand has: one for all products, or one for each. A c for all is their sum. */
export interface Group {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export const OPERANDS = ["a", "b", "c"] as const;
export type OperandName = (typeof OPERANDS)[number];

/** Most products of a group: a shader may bind eight tensors, one of which all products share. */
export const MOST_OF_GROUP = 3;

export function bindingOf(name: OperandName, i: number): string {
  return i === 0 ? name : `${name}${i}`;
}

/** a, a1, a2. */
export function bindingsOf(name: OperandName, count: number): string[] {
  return Array.from({ length: count }, (_, i) => bindingOf(name, i));
}

export function isSum({ c }: Group): boolean {
  return c === 1;
}

export function groupOf(tensors: Readonly<Record<string, unknown>>): Group {
  const count = (name: OperandName): number =>
    bindingsOf(name, MOST_OF_GROUP).filter((binding) => tensors[binding]).length;
  return { a: count("a"), b: count("b"), c: count("c") };
}

/** One product of a group, as a pass of its own. */
export interface OneOfGroup {
  /** Which tensor of the call its a, b and c are. */
  readonly tensors: Readonly<Record<OperandName, string>>;
  /** The first of a sum may overwrite c. */
  readonly constants: { readonly ACCUMULATE?: 1 };
}

export function productsOf(group: Group): OneOfGroup[] {
  return Array.from({ length: Math.max(group.a, group.b) }, (_, i) => {
    const of = (name: OperandName): string => bindingOf(name, Math.min(i, group[name] - 1));
    return {
      tensors: { a: of("a"), b: of("b"), c: of("c") },
      constants: isSum(group) && i > 0 ? { ACCUMULATE: 1 } : {},
    };
  });
}
