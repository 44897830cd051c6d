// What the Hub's refusals mean and what to do about them. It names the reason in X-Error-Code; without that header
// 401 can mean a repository that does not exist as well as a private one.

import { HubError } from "../tensor/errors.ts";
import type { Repository } from "./repository.ts";

export interface Request {
  readonly endpoint: string;
  readonly repository: Repository;
  readonly revision: string;
  /** In the repository; undefined for questions about the repository itself. */
  readonly file?: string;
  readonly hasToken: boolean;
}

/** `google/flan-t5-base` or `google/flan-t5-base: model.safetensors`. */
export function subject({ repository, file }: Request): string {
  return file === undefined ? repository.name : `${repository.name}: ${file}`;
}

export function statusError(request: Request, response: Response): HubError {
  const { status } = response;
  const code = response.headers.get("x-error-code");
  const reason = response.headers.get("x-error-message");
  const about = subject(request);
  const got = `got status ${status}${code ? ` (${code})` : ""}`;
  const page = `${request.endpoint}/${request.repository.type === "dataset" ? "datasets/" : ""}${request.repository.name}`;
  if (code === "GatedRepo" || (status === 403 && code === null)) {
    return new HubError(
      "refused",
      `${about}: must be open to you, ${got}. Ask for access at ${page}, then ${tokenCure(request)}.`,
    );
  }
  if (status === 401 && reason === "Invalid credentials in Authorization header") {
    return new HubError(
      "refused",
      `${about}: the token must be valid, ${got}. Make a new one at ${request.endpoint}/settings/tokens and set HF_TOKEN, or unset it for public repositories.`,
    );
  }
  if (code === "RevisionNotFound") {
    return new HubError(
      "missing",
      `${about}: revision ${request.revision} must be a branch, tag or commit hash of ${page}, ${got}. Check its name.`,
    );
  }
  if (code === "EntryNotFound" || (status === 404 && request.file !== undefined)) {
    return new HubError(
      "missing",
      `${about}: must be in the repository at revision ${request.revision}, ${got}. Check the files at ${page}.`,
    );
  }
  if (code === "RepoNotFound" || status === 401 || status === 404) {
    return new HubError(
      "refused",
      `${about}: must be a ${request.repository.type} of ${request.endpoint} that you may read, ${got}. ` +
        `Check its name; if it is private, ${tokenCure(request)}.`,
    );
  }
  if (status === 416) {
    return new HubError("corrupt", `${about}: must be as long as its repository says, ${got}`);
  }
  if (status === 429 || status >= 500) {
    return new HubError("unreachable", `${about}: the Hub must answer, ${got}. Try again later.`);
  }
  return new HubError(
    "refused",
    `${about}: the Hub must answer, ${got}${reason ? `: ${reason}` : ""}`,
  );
}

function tokenCure({ hasToken }: Request): string {
  return hasToken ? "set HF_TOKEN to a token that may read it" : "set HF_TOKEN";
}

/** No answer at all: no network, no such host, a connection refused or cut, or a wait that was too long. */
export function unreachableError(request: Request, cause: unknown): HubError {
  return new HubError(
    "unreachable",
    `${subject(request)}: ${request.endpoint} must answer, got ${networkReason(cause)}. Check the network, and HF_ENDPOINT where it is set.`,
    { cause },
  );
}

/** fetch says "fetch failed" and keeps the reason in the cause of the cause. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== undefined && typeof code === "string") return code;
  return error.cause === undefined ? error.message : networkReason(error.cause);
}
