// What the service worker keeps of letters: one page, sealed. Served before sw.js, in the same script.
//
// The key is made here and cannot be taken out of the browser (`extractable: false`); it lies beside what it seals, for
// both must be there without a network. So what protects the letters is what protects the device, and their end: sign-out,
// a word of the server that this browser is trusted no longer, somebody else's session, or seven days without a word.

/**
 * @typedef {{sealed: ArrayBuffer, iv: Uint8Array<ArrayBuffer>, at: number, contact: number, tag: string, policy: string}} Copy
 */

const KEPT = "pli-kept";

/** @returns {Promise<IDBDatabase>} */
function openKept() {
  return new Promise((done, fail) => {
    const asked = indexedDB.open(KEPT, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("kept");
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => fail(asked.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function withKept(mode, act) {
  const kept = await openKept();
  try {
    return await new Promise((done, fail) => {
      const transaction = kept.transaction("kept", mode);
      const asked = act(transaction.objectStore("kept"));
      transaction.oncomplete = () => done(asked.result);
      transaction.onabort = () => fail(transaction.error);
    });
  } finally {
    kept.close();
  }
}

/** @param {string} name */
function take(name) {
  return withKept("readonly", (store) => store.get(name));
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function put(name, value) {
  return withKept("readwrite", (store) => store.put(value, name));
}

/** @returns {Promise<Copy | undefined>} */
function copyKept() {
  return take("copy");
}

/**
 * Seal a page in the place of the one there was.
 * @param {string} page
 * @param {string} tag
 * @param {string} policy what the page may do, kept with it
 */
async function keep(page, tag, policy) {
  let key = await take("key");
  if (!key) {
    key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    await put("key", key);
  }
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const at = Date.now();
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: octets(`${at}|${tag}`) }, key, octets(page));
  await put("copy", { sealed, iv, at, contact: at, tag, policy });
}

/**
 * The page that is kept, or null when there is none, it does not open, or the last word from the server is too old.
 * @param {number} days
 * @returns {Promise<Response | null>}
 */
async function openCopy(days) {
  const copy = await copyKept();
  const key = copy && (await take("key"));
  if (!copy || !key) return null;
  const age = Date.now() - copy.contact;
  if (age > days * 86_400_000 || age < -86_400_000) {
    await erase();
    return null;
  }
  const seal = { name: "AES-GCM", iv: copy.iv, additionalData: octets(`${copy.at}|${copy.tag}`) };
  const page = await crypto.subtle.decrypt(seal, key, copy.sealed).catch(() => null);
  const headers = { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": copy.policy, "Cache-Control": "no-store" };
  return page && new Response(page, { headers });
}

/** Nothing is kept any more: neither letters, nor their key. The language is nobody's secret: it says a push. */
async function erase() {
  const spoken = await take("language").catch(() => undefined);
  await drop();
  if (spoken) await put("language", spoken);
}

/** @returns {Promise<void>} */
function drop() {
  return new Promise((done) => {
    const asked = indexedDB.deleteDatabase(KEPT);
    asked.onsuccess = asked.onerror = asked.onblocked = () => done();
  });
}

/** @param {string} text */
function octets(text) {
  return new TextEncoder().encode(text);
}
