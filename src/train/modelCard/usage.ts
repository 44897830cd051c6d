// How the model of a card is loaded: with this package, with transformers, and in a page.

export interface Usage {
  /** Hub id, or what stands for it. */
  readonly id: string;
  readonly isAdapter: boolean;
  /** What a prompt looks like, with {column} where a text goes; null when nobody said. */
  readonly prompt: string | null;
}

/** The section on how to use a model, in Markdown. */
export function usageSection(usage: Usage): string {
  return [
    "## How to use\n",
    ...(usage.prompt === null
      ? []
      : ["It was trained on prompts of this form:\n", promptBlock(usage)]),
    "With [gradloom](https://www.npmjs.com/package/gradloom), without Python:\n",
    nodeBlock(usage),
    `With transformers${usage.isAdapter ? " and peft" : ""}:\n`,
    pythonBlock(usage),
    ...(usage.isAdapter ? [] : ["In a page:\n", pageBlock(usage)]),
  ].join("\n");
}

function promptBlock({ prompt }: Usage): string {
  return block("text", prompt!.split("\n"));
}

function nodeBlock({ id }: Usage): string {
  return block("ts", [
    'import { openDevice, T5ForConditionalGeneration, Tokenizer } from "gradloom";',
    "",
    'const device = await openDevice("auto");',
    `const tokenizer = await Tokenizer.fromPretrained("${id}");`,
    `const model = await T5ForConditionalGeneration.fromPretrained("${id}", { device });`,
    'const inputs = tokenizer.encode(["your prompt"]);',
    "const [ids] = await model.generate(inputs, { maxNewTokens: 100 });",
    "console.log(tokenizer.decode(ids, { skipSpecialTokens: true }));",
  ]);
}

function pythonBlock({ id, isAdapter }: Usage): string {
  const [library, kind] = isAdapter
    ? ["peft", "AutoPeftModelForSeq2SeqLM"]
    : ["transformers", "AutoModelForSeq2SeqLM"];
  return block("python", [
    ...(isAdapter
      ? [`from ${library} import ${kind}`, "from transformers import AutoTokenizer"]
      : [`from ${library} import ${kind}, AutoTokenizer`]),
    "",
    `tokenizer = AutoTokenizer.from_pretrained("${id}")`,
    `model = ${kind}.from_pretrained("${id}")`,
    'inputs = tokenizer("your prompt", return_tensors="pt")',
    "ids = model.generate(**inputs, max_new_tokens=100)[0]",
    "print(tokenizer.decode(ids, skip_special_tokens=True))",
  ]);
}

function pageBlock({ id }: Usage): string {
  return block("ts", [
    'import { openDevice, T5ForConditionalGeneration, Tokenizer } from "gradloom";',
    "",
    `const at = "https://huggingface.co/${id}/resolve/main/";`,
    'const names = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];',
    "const blobs = names.map(async (name) => [name, await (await fetch(at + name)).blob()] as const);",
    "const files = new Map(await Promise.all(blobs));",
    'const device = await openDevice("auto");',
    "const tokenizer = await Tokenizer.fromPretrained(files);",
    "const model = await T5ForConditionalGeneration.fromPretrained(files, { device });",
  ]);
}

function block(language: string, lines: readonly string[]): string {
  return `\`\`\`${language}\n${lines.join("\n")}\n\`\`\`\n`;
}
