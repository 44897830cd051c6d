// The prompts of the notebook. They tokenize to the same ids: T5's tokenizers collapse runs of whitespace.

import { ArgumentError } from "../tensor/errors.ts";

/** Prompt of the training data. */
export const TRAINING_TEMPLATE = "Summarize the following conversation.\n\n{dialogue}\n\nSummary: ";

/** Prompt for generation. */
export const INFERENCE_TEMPLATE =
  "\nSummarize the following conversation.\n\n{dialogue}\n\nSummary:\n";

const PLACEHOLDER = "{dialogue}";

/**
 * Puts a dialogue into a template.
 * @throws {ArgumentError} unless the template holds `{dialogue}` exactly once
 */
export function fillTemplate(template: string, dialogue: string): string {
  const [before, after, ...more] = template.split(PLACEHOLDER);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new ArgumentError(
      `template: must hold the placeholder ${PLACEHOLDER} once, got ${JSON.stringify(template)}. ` +
        `Write for example ${JSON.stringify(TRAINING_TEMPLATE)}.`,
    );
  }
  return before + dialogue + after;
}

/** The prompt that a dialogue is trained with. */
export function trainingPrompt(dialogue: string): string {
  return fillTemplate(TRAINING_TEMPLATE, dialogue);
}

/** The prompt that a dialogue is summarised with. */
export function inferencePrompt(dialogue: string): string {
  return fillTemplate(INFERENCE_TEMPLATE, dialogue);
}
