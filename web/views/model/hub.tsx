// A model of the Hugging Face Hub by its id.

import type { ComponentChild } from "preact";
import {
  dtype,
  endpoint,
  hubAddress,
  hubId,
  loadModel,
  revision,
  token,
} from "../../state/model.ts";
import { attempt } from "../../state/notices.ts";
import { TextField } from "../fields.tsx";

export function HubFields({ isDisabled }: { isDisabled: boolean }): ComponentChild {
  return (
    <section class="card" aria-labelledby="from-hub">
      <h3 id="from-hub">Hugging Face Hub</h3>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const choice = {
            from: "hub",
            hub: hubAddress(hubId.value.trim()),
            dtype: dtype.value,
          } as const;
          void attempt(() => loadModel(choice));
        }}
      >
        <TextField
          label="Model id"
          value={hubId.value}
          onValue={(value) => (hubId.value = value)}
          isDisabled={isDisabled}
        />
        <HubAccess isDisabled={isDisabled} />
        <button type="submit" disabled={isDisabled || hubId.value.trim() === ""}>
          Download and load
        </button>
      </form>
    </section>
  );
}

/** Branch, token and address: for models and for pushes. */
export function HubAccess({ isDisabled }: { isDisabled: boolean }): ComponentChild {
  return (
    <details>
      <summary>Branch, token, address</summary>
      <TextField
        label="Branch, tag or commit"
        value={revision.value}
        onValue={(value) => (revision.value = value)}
        isDisabled={isDisabled}
      />
      <TextField
        label="Access token"
        help="For private and gated repositories. Kept in this page's memory alone."
        type="password"
        value={token.value}
        onValue={(value) => (token.value = value)}
        isDisabled={isDisabled}
      />
      <TextField
        label="Address of the Hub"
        type="url"
        value={endpoint.value}
        onValue={(value) => (endpoint.value = value)}
        isDisabled={isDisabled}
      />
    </details>
  );
}
