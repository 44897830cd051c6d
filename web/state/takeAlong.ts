// What leaves the page.

import { signal } from "@preact/signals";
import type { PackageRequest, PushDone } from "../protocol/takeAlong.ts";
import { call } from "./client.ts";
import { endpoint, token } from "./model.ts";

export const packing = signal<PackageRequest["what"] | null>(null);
export const repository = signal("");
export const isPrivate = signal(true);
export const pushed = signal<PushDone | null>(null);
export const pushProgress = signal("");

/** Makes the file and hands it to the browser as a download. */
export async function download(what: PackageRequest["what"]): Promise<void> {
  packing.value = what;
  try {
    const { name, blob } = await call("makePackage", { what });
    const address = URL.createObjectURL(blob);
    const link = Object.assign(document.createElement("a"), { href: address, download: name });
    link.click();
    // The download has begun by then, and holds the bytes itself.
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } finally {
    packing.value = null;
  }
}

export async function push(): Promise<void> {
  pushed.value = null;
  pushProgress.value = "Asking the Hub";
  try {
    const request = {
      ...{ repository: repository.value.trim(), isPrivate: isPrivate.value },
      ...{ token: token.value, endpoint: endpoint.value },
    };
    pushed.value = await call("push", request, {
      onEvent: ({ what, done }) => (pushProgress.value = `${what}: ${Math.round(100 * done)}%`),
    });
  } finally {
    pushProgress.value = "";
  }
}
