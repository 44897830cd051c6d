// What a shader of several products adds to that of one: which of an operand's bindings is meant, and where results go.
//
// Products side by side are the layers of the grid, and `which` is the layer. Of a sum of products k runs through all of them, one
// after another, and `which` is the one that the steps at hand belong to.

import { bindingOf, bindingsOf, isSum, type Group } from "./groupBindings.ts";
import { each, ofOneBinding, viewsOf, type ElementText, type Operands } from "./operands.ts";

/** Element types of all bindings. */
export function groupViews(operands: Operands, group: Group): Readonly<Record<string, string>> {
  const views = viewsOf(operands, null);
  return Object.fromEntries(
    (["a", "b"] as const).flatMap((name) => {
      const view = views[name];
      return view === undefined ? [] : bindingsOf(name, group[name]).map((to) => [to, view]);
    }),
  );
}

/** How a reader of the group's operands gets at an element. */
export function groupElements(group: Group | undefined): ElementText {
  if (group === undefined) return ofOneBinding;
  return (name, index) => (group[name] === 1 ? ofOneBinding(name, index) : `${name}Of(${index})`);
}

/** `which`, and the functions that look at it. */
export function choosing(operands: Operands, group: Group): string {
  const stored = { a: "f32", b: operands.b === "f32" ? "f32" : "u32" };
  const views = viewsOf(operands, null);
  const readers = (["a", "b"] as const).filter((name) => group[name] > 1);
  return [
    "var<private> which: u32;",
    ...readers.map(
      (name) => /* wgsl */ `
fn ${name}Of(i: u32) -> ${views[name] ?? stored[name]} {
  ${choice(group[name], (j) => `return ${bindingOf(name, j)}[i];`)}
}`,
    ),
    isSum(group)
      ? ""
      : /* wgsl */ `
fn putC(at: u32, value: f32) {
  ${choice(group.c, (j) => {
    const place = `${bindingOf("c", j)}[at]`;
    return `if (ACCUMULATE == 1u) { ${place} += value; } else { ${place} = value; }`;
  })}
}`,
  ].join("\n");
}

/** A statement for each value of `which`. */
export function choice(count: number, statement: (i: number) => string): string {
  return each(
    count,
    (i) => `${i + 1 < count ? `if (which == ${i}u) ` : ""}{ ${statement(i)} }`,
    " else ",
  );
}
