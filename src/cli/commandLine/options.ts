// The flags that a command with settings has for all of them together.

import { Option } from "commander";
import { hubOptions } from "../hub.ts";

export const configOptions = (): Option[] => [
  ...hubOptions(),
  new Option(
    "--config <file>",
    "YAML or JSON file with flags of this command as keys, in either spelling; flags given here win",
  ),
  new Option(
    "--print-config",
    "print all flags with their values as such a file, and stop",
  ).default(false),
];
