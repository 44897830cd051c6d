// What the Hub's refusals of a push mean, and what to do about them.

import { HubError } from "../tensor/errors.ts";
import { unreachableError } from "./statusError.ts";

/** Where a push goes. */
export interface PushTarget {
  readonly endpoint: string;
  /** Id of the repository. */
  readonly name: string;
  readonly branch: string;
}

/** @param reason what the Hub says, if anything */
export function pushStatusError(
  { endpoint, name, branch }: PushTarget,
  status: number,
  reason: string,
): HubError {
  const got = `got status ${status}${reason === "" ? "" : ` (${reason})`}`;
  const tokens = `${endpoint}/settings/tokens`;
  const [owner] = name.split("/");
  if (status === 401) {
    return new HubError(
      "refused",
      `${name}: the token must be valid, ${got}. Make one that may write at ${tokens}, and set HF_TOKEN or hubToken.`,
    );
  }
  if (status === 403) {
    return new HubError(
      "refused",
      `${name}: the token must be allowed to write to ${owner}, ${got}. Give it the role "write" (or write access to ${owner}) at ${tokens}, or choose another hubModelId.`,
    );
  }
  if (status === 404) {
    return new HubError(
      "missing",
      `${name}: must be a model of ${endpoint} with the branch ${branch}, ${got}. Check hubModelId and hubRevision, and that the token may see it.`,
    );
  }
  if (status === 409 || status === 412) {
    return new HubError(
      "refused",
      `${name}: the branch ${branch} must not change while it is pushed to, ${got}. Push again; what has arrived is not sent twice.`,
    );
  }
  if (status === 413 || status === 422) {
    return new HubError(
      "refused",
      `${name}: the Hub must take the files, ${got}. Correct what it names.`,
    );
  }
  return status === 429 || status >= 500
    ? new HubError(
        "unreachable",
        `${name}: the Hub must answer, ${got}. Push again later; what has arrived is not sent twice.`,
      )
    : new HubError("refused", `${name}: the Hub must take the push, ${got}`);
}

/** No answer, after all tries. */
export function pushUnreachableError(
  { endpoint, name, branch }: PushTarget,
  cause: unknown,
): HubError {
  const repository = { type: "model", name } as const;
  const { message } = unreachableError(
    { endpoint, repository, revision: branch, hasToken: true },
    cause,
  );
  return new HubError(
    "unreachable",
    `${message} Then push again; what has arrived is not sent twice.`,
    { cause },
  );
}
