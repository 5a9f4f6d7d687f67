// The service worker: pages come from the network, always; without one, what was kept. Served at /sw.js after the facts of
// `SHELL` and sealed.js. It touches neither forms, nor downloads, nor the live socket.

/**
 * @typedef {{name: string, files: string[], none: Record<string, string>, days: number,
 *            push: Record<string, {title: string, body: string}>}} Shell
 */

const worker = /** @type {any} */ (self);
const SHELL = /** @type {Shell} */ (worker.SHELL);
const LEFT_ALONE = /^\/(files|api|socket\.io|static|demo|healthz|readyz|metrics|sw\.js|sign-out)(\/|$)/;

worker.addEventListener("install", (/** @type {any} */ event) => {
  worker.skipWaiting();
  event.waitUntil(caches.open(SHELL.name).then((cache) => cache.addAll(SHELL.files)));
});

worker.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil(begin());
});

async function begin() {
  for (const name of await caches.keys()) if (name !== SHELL.name) await caches.delete(name);
  await worker.registration.navigationPreload?.enable();
  await worker.clients.claim();
}

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(shell(request));
  else if (request.mode === "navigate" && request.destination === "document" && !LEFT_ALONE.test(url.pathname)) {
    event.respondWith(page(event, url));
  }
});

/** @param {Request} request */
async function shell(request) {
  try {
    return await fetch(request);
  } catch {
    // Kept once, whatever version's address a page names it by.
    return (await caches.match(new URL(request.url).pathname.replace(/^\/static\/[0-9a-f]{16}\//, "/static/"))) ?? Response.error();
  }
}

/**
 * @param {any} event
 * @param {URL} url
 * @returns {Promise<Response>}
 */
async function page(event, url) {
  let answer;
  try {
    answer = (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return without(url);
  }
  event.waitUntil(url.pathname === "/sign-in" && url.searchParams.has("out") ? forget() : refresh(false));
  return answer;
}

/**
 * Without a network: the letters that are kept, or the page that says there is none.
 * @param {URL} url
 * @returns {Promise<Response>}
 */
async function without(url) {
  const kept = await openCopy(SHELL.days).catch(() => null);
  if (kept && url.pathname !== "/offline") {
    const at = url.pathname.match(/^\/c\/([\w-]+)/)?.[1];
    return Response.redirect(`/offline${at ? `#c-${at}` : ""}`, 302);
  }
  const none = SHELL.none[await language()] ?? SHELL.none.fr ?? "";
  return kept ?? (await caches.match(none)) ?? Response.error();
}

/** @returns {Promise<string>} */
async function language() {
  return (await take("language").catch(() => undefined)) ?? (worker.navigator.language.startsWith("en") ? "en" : "fr");
}

/**
 * Ask whether this browser may keep letters, and for the last ones.
 * @param {boolean} chosen its person just chose so
 */
async function refresh(chosen) {
  const copy = await copyKept().catch(() => undefined);
  if (!copy && !chosen) return;
  let answer;
  try {
    answer = await fetch("/offline/copy", { headers: copy ? { "If-None-Match": copy.tag } : {}, cache: "no-store" });
  } catch {
    return;
  }
  if (answer.status === 410) await erase();
  else if (answer.status === 200) {
    const policy = answer.headers.get("Content-Security-Policy") ?? "default-src 'none'";
    await keep(await answer.text(), answer.headers.get("ETag") ?? "", policy);
  } else if (copy && (answer.status === 204 || answer.status === 304)) await put("copy", { ...copy, contact: Date.now() });
}

/** Somebody signed out here: nothing of theirs stays. */
async function forget() {
  await drop();
  for (const name of await caches.keys()) await caches.delete(name);
  await worker.registration.unregister();
}

worker.addEventListener("message", (/** @type {any} */ event) => {
  event.waitUntil(heed(event.data).then((said) => event.ports[0]?.postMessage(said)));
});

/** @param {{do: string, language?: string}} asked */
async function heed(asked) {
  if (asked.do === "speak") await put("language", asked.language);
  if (asked.do === "keep") await refresh(true);
  if (asked.do === "erase") await erase();
  if (asked.do === "forget") await forget();
  return asked.do === "forget" ? null : { at: (await copyKept())?.at ?? null };
}

// A push holds nothing: the sentence is ours, and the same for everybody.
worker.addEventListener("push", (/** @type {any} */ event) => {
  event.waitUntil(
    language().then((spoken) => {
      const said = SHELL.push[spoken] ?? SHELL.push.fr;
      const look = { body: said?.body, icon: "/static/icon-192.png", badge: "/static/icon-192.png", tag: "pli", lang: spoken };
      return worker.registration.showNotification(said?.title, look);
    }),
  );
});

worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
  event.notification.close();
  event.waitUntil(comeBack());
});

async function comeBack() {
  const windows = await worker.clients.matchAll({ type: "window" });
  const shown = windows.find((/** @type {any} */ one) => new URL(one.url).origin === location.origin);
  if (!shown) return worker.clients.openWindow("/");
  await shown.focus();
  return shown.navigate("/").catch(() => worker.clients.openWindow("/"));
}
