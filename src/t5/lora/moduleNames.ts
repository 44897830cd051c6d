// peft's rules for which module a name in adapter_config.json means (check_target_module_exists, get_pattern_key and
// _set_trainable of peft 0.21): module paths as "encoder.block.0.layer.0.SelfAttention.q", expressions as Python's.

import type { LinearExpression } from "../../model/expressions/linearExpression.ts";
import { pythonFullMatch, pythonMatch } from "./pythonExpression.ts";

/** The output projection, which "all-linear" leaves out as peft does. */
export const HEAD = "lm_head";

/** The module of a weight: "lm_head" of "lm_head.weight". */
export function moduleOf(name: string): string {
  return name.replace(/\.weight$/, "");
}

/** Whether a path ends in one of these names, or is what a text means: "all-linear", or an expression for whole paths. */
export function matches(module: string, targets: string | readonly string[]): boolean {
  if (typeof targets !== "string") {
    return targets.some((target) => module === target || module.endsWith(`.${target}`));
  }
  return isAllLinear(targets) ? module !== HEAD : pythonFullMatch(targets).test(module);
}

export function isAllLinear(targets: string | readonly string[]): boolean {
  return typeof targets === "string" && targets.toLowerCase() === "all-linear";
}

/** The index behind the first of the patterns that matches ("block" in T5), or behind any name; null if there is none. */
export function blockIndex(
  module: string,
  patterns: string | readonly string[] | null,
): number | null {
  const expressions =
    patterns === null
      ? [pythonMatch(".*?\\.[^.]*\\.(?P<idx>\\d+)\\.")]
      : [patterns].flat().map(behindPattern);
  const found = expressions.map((each) => each.exec(module)).find((match) => match !== null);
  const index = found?.groups["idx"];
  return index === undefined ? null : Number(index);
}

/** The value of the first key that the path ends in. */
export function patternValue(
  patterns: Readonly<Record<string, number>>,
  module: string,
): number | undefined {
  return Object.entries(patterns).find(([key]) => endOfPath(key).test(module))?.[1];
}

/** Whether modules_to_save takes a module away from LoRA. */
export function isKeptFromLora(module: string, modulesToSave: readonly string[] | null): boolean {
  return modulesToSave?.some((name) => savedModule(name).test(module)) ?? false;
}

/** Whether a module, or one that it is a part of, ends in the text: peft asks for no dot before it. */
export function isSaved(module: string, name: string): boolean {
  const parts = module.split(".");
  return parts.some((_, i) =>
    parts
      .slice(0, i + 1)
      .join(".")
      .endsWith(name),
  );
}

/** @throws {SyntaxError} for an expression that cannot be read */
export function behindPattern(pattern: string): LinearExpression {
  return pythonMatch(`(?:^|.*?\\.)${pattern}\\.(?P<idx>\\d+)\\.`);
}

/** @throws {SyntaxError} as `behindPattern` */
export function endOfPath(key: string): LinearExpression {
  return pythonMatch(`(.*\\.)?(${key})$`);
}

/** @throws {SyntaxError} as `behindPattern` */
export function savedModule(name: string): LinearExpression {
  return pythonMatch(`(^|.*\\.)${name}($|\\..*)`);
}
