// The environment variables that huggingface_hub reads, with its meanings and defaults (its constants.py); in pages, which have none, the defaults.

import { files } from "../tensor/files/files.ts";
import { join } from "../tensor/files/paths.ts";
import { homeFolder } from "../tensor/host.ts";
import { isNode } from "../tensor/runtime.ts";

export interface HubEnvironment {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly cacheDir: string;
  readonly tokenPath: string;
  readonly token: string | undefined;
  readonly isOffline: boolean;
  readonly usesSymlinks: boolean;
  /** Longest wait for an answer of the API, in seconds. */
  readonly answerTimeout: number;
  /** Longest wait for the next bytes of a file, in seconds. */
  readonly downloadTimeout: number;
}

type Variables = Readonly<Record<string, string | undefined>>;

export function hubEnvironment(variables: Variables = isNode ? process.env : {}): HubEnvironment {
  const home = path(variables, variables["HF_HOME"]) ?? defaultHome(variables);
  const cache = variables["HF_HUB_CACHE"] ?? variables["HUGGINGFACE_HUB_CACHE"];
  const hidesToken = isTrue(variables["HF_HUB_DISABLE_IMPLICIT_TOKEN"]);
  return {
    endpoint: (variables["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, ""),
    cacheDir: path(variables, cache) ?? join(home, "hub"),
    tokenPath: hidesToken
      ? ""
      : (path(variables, variables["HF_TOKEN_PATH"]) ?? join(home, "token")),
    token: hidesToken
      ? undefined
      : cleanToken(variables["HF_TOKEN"] ?? variables["HUGGING_FACE_HUB_TOKEN"]),
    isOffline: isTrue(variables["HF_HUB_OFFLINE"] || variables["TRANSFORMERS_OFFLINE"]),
    usesSymlinks: !isTrue(variables["HF_HUB_DISABLE_SYMLINKS"]),
    answerTimeout: seconds(variables["HF_HUB_ETAG_TIMEOUT"]),
    downloadTimeout: seconds(variables["HF_HUB_DOWNLOAD_TIMEOUT"]),
  };
}

/** The token of the environment, else the one that `hf auth login` left in a file. */
export async function findToken(environment: HubEnvironment): Promise<string | undefined> {
  if (!isNode || environment.token !== undefined || environment.tokenPath === "")
    return environment.token;
  try {
    return cleanToken(await files.readText(environment.tokenPath));
  } catch {
    return undefined; // not logged in
  }
}

function cleanToken(text: string | undefined): string | undefined {
  return text?.replace(/\s+/g, "") || undefined;
}

function defaultHome(variables: Variables): string {
  return join(variables["XDG_CACHE_HOME"] || join(homeFolder(), ".cache"), "huggingface");
}

/** `~` and `$NAME` mean in a path what they mean to Python's expanduser and expandvars. */
function path(variables: Variables, text: string | undefined): string | undefined {
  return text
    ?.replace(/^~(?=\/|$)/, () => homeFolder())
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (all, a?: string, b?: string) => variables[a ?? b!] ?? all);
}

function isTrue(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes((value ?? "").toUpperCase());
}

function seconds(value: string | undefined): number {
  const given = Number(value);
  return given > 0 ? given : 10;
}
