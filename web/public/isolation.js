// Threads need a cross-origin isolated page. Where the host cannot send the two headers, this service worker adds them to the
// page's own files; it also keeps these files, so that the page opens without a network. One file: the page loads it as a
// script, and registers it as the worker.

const CACHE = "gradloom-page";
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

if (typeof window === "undefined") {
  self.addEventListener("install", () => self.skipWaiting());
  self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener("fetch", (event) => {
    const { method, url } = event.request;
    // Others' files, as the Hub's, are fetched as if this worker were not there.
    if (method !== "GET" || new URL(url).origin !== location.origin) return;
    event.respondWith(answer(event.request));
  });
} else if (isSecureContext && "serviceWorker" in navigator) {
  navigator.serviceWorker.register(document.currentScript.src).then(reloadOnce, () => undefined);
}

/** From the network, and from the cache where there is none. */
async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = isolated(await fetch(request));
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

function isolated(response) {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

/** A page that was opened before the worker was there has no headers yet. */
async function reloadOnce() {
  if (crossOriginIsolated || sessionStorage.getItem("isolation") !== null) return;
  await navigator.serviceWorker.ready;
  sessionStorage.setItem("isolation", "tried");
  location.reload();
}
