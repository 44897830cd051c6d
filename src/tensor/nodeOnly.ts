// Bundlers for browsers put this module where the library imports Node's modules, which it does on use (package.json,
// "browser"). So a page gets a message of ours instead of a bundle that cannot be built.

import { GradloomError } from "./errors.ts";

throw new GradloomError(
  "files: folders and the Hub need Node, got a browser. Pass models as a Map from name to Blob, " +
    'and train with saveStrategy "no" and reportTo "none".',
);
