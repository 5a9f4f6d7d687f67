// Pli as an app, from the page's side: the service worker is there, speaks one's language, and forgets at sign-out.

import { workerAddress } from "./little.js";

const VISITS = "pli-visits";
const ENOUGH = 3;

/** @returns {Promise<ServiceWorkerRegistration | null>} */
export async function worker() {
  if (!("serviceWorker" in navigator)) return null;
  try {
    const made = await navigator.serviceWorker.register(workerAddress(), { scope: "/" });
    return made && (await navigator.serviceWorker.ready);
  } catch {
    return null; // the pages need none
  }
}

/**
 * Ask something of the worker.
 * @param {{do: string, language?: string}} asked
 * @returns {Promise<{at: number | null} | null>} when letters were kept last, or null when there is no answer
 */
export async function ask(asked) {
  const registered = await worker();
  const active = registered?.active;
  if (!active) return null;
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((done) => {
    port1.onmessage = (event) => done(event.data);
    setTimeout(() => done(null), 10_000);
  });
  active.postMessage(asked, [port2]);
  return /** @type {Promise<{at: number | null} | null>} */ (answer);
}

/** How often somebody came back since they signed in: a window opened anew, on this browser. */
function visits() {
  const before = Number(localStorage.getItem(VISITS) ?? "0");
  if (sessionStorage.getItem(VISITS)) return before;
  sessionStorage.setItem(VISITS, "1");
  localStorage.setItem(VISITS, String(before + 1));
  return before + 1;
}

async function start() {
  for (const form of document.querySelectorAll('form[action="/sign-out"]')) {
    form.addEventListener("submit", () => {
      navigator.serviceWorker?.controller?.postMessage({ do: "forget" }); // browsers without Clear-Site-Data, too
    });
  }
  await ask({ do: "speak", language: document.documentElement.lang });
  const fresh = !sessionStorage.getItem(VISITS);
  const enough = visits() >= ENOUGH;
  const told = await (await worker())?.pushManager?.getSubscription().catch(() => null);
  if (told && fresh) await (await import("./push.js")).comeBack(told);
  if (document.querySelector("[data-browser]")) (await import("./push.js")).settle();
  else if (enough && document.body.classList.contains("list-page")) (await import("./push.js")).offer();
}

start();
