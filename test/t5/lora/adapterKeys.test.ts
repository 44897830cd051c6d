// The table of docs/guide/lora.md says of every key of adapter_config.json what the code does with it.

import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { ADAPTER_KEYS } from "../../../src/t5/lora/adapterKeys.ts";
import { LoraConfig } from "../../../src/t5/lora/config.ts";
import { golden } from "../../support/golden.ts";

const page = await readFile(new URL("../../../docs/guide/lora.md", import.meta.url), "utf8");

describe("the keys of adapter_config.json", () => {
  it("stand in the table as the code treats them", () => {
    const rows = [...page.matchAll(/^\| `(\w+)` +\| (applied|ignored|refused) +\|/gm)];
    expect(rows.map(([, key, use]) => [key, use])).toEqual([...ADAPTER_KEYS].sort());
  });

  it("are all that peft 0.21 writes", async () => {
    const text = await readFile(golden("adapters", "head", "adapter_config.json"), "utf8");
    const written = Object.keys(JSON.parse(text) as object);
    // Never written: peft takes it out again.
    expect([...written, "runtime_config"].sort()).toEqual([...ADAPTER_KEYS.keys()].sort());
  });

  it.each([...ADAPTER_KEYS].filter(([, use]) => use === "refused"))("%s is refused", (key) => {
    const object = { peft_type: "LORA", modules_to_save: ["lm_head"], [key]: true };
    expect(() => LoraConfig.fromJSON(object)).toThrow(`adapter_config.json: ${key} must be `);
  });

  it.each([...ADAPTER_KEYS].filter(([, use]) => use === "ignored"))("%s is ignored", (key) => {
    const object = { peft_type: "LORA", [key]: { some: "value" } };
    expect(LoraConfig.fromJSON(object)).toEqual(LoraConfig.fromJSON({ peft_type: "LORA" }));
  });
});
