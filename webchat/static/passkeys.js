// Passkeys: the browser's own dialogue, between two requests of ours. A place of the page says what for:
// data-passkey = sign-in (whoever comes), new (one more for whoever is signed in), step-up (one's own again, in a form).

import { say } from "./little.js";

/** @typedef {{error?: {code: string, detail: string}, to?: string, rp?: {id: string}, rpId?: string}} Told */

const RENEW_MS = 270_000; // a challenge is good for five minutes; what waits in a field asks for another before
let address = ""; // where passkeys of this site work
const NAMES = /** @type {Record<string, string>} */ ({
  InvalidStateError: "known",
  SecurityError: "elsewhere",
  TypeError: "network",
});

for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-passkey]"))) start(place);

/** @param {HTMLElement} place */
function start(place) {
  const what = place.dataset.passkey ?? "";
  if (!globalThis.PublicKeyCredential) {
    if (what !== "sign-in") problem(place, say(place, "none"));
    return;
  }
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll("[data-passkey-ready]"))) part.hidden = false;
  const button = /** @type {HTMLButtonElement} */ (place.querySelector("[data-passkey-go]"));
  const field = what === "sign-in" ? offerInField(place) : null;
  button.addEventListener("click", async () => {
    field?.stop();
    problem(place, "");
    button.disabled = true;
    try {
      await (what === "new" ? make() : give(place));
    } catch (error) {
      problem(place, explained(place, error));
      field?.offer();
    } finally {
      button.disabled = false;
    }
  });
}

/**
 * The browser offers passkeys in the identifier's field, beside what it remembers (conditional mediation).
 * @param {HTMLElement} place
 */
function offerInField(place) {
  let waiting = new AbortController();
  let again = 0;
  const stop = () => {
    clearTimeout(again);
    waiting.abort();
  };
  const offer = async () => {
    if (!document.querySelector('input[autocomplete~="webauthn"]')) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    stop();
    waiting = new AbortController();
    again = setTimeout(offer, RENEW_MS);
    const { signal } = waiting;
    give(place, { mediation: "conditional", signal }).catch((error) => {
      if (error instanceof Refused) problem(place, error.message);
    });
  };
  offer();
  return { offer, stop };
}

async function make() {
  const options = await ask("/account/passkeys/options");
  address = options.origin;
  const publicKey = {
    ...options,
    challenge: octets(options.challenge),
    user: { ...options.user, id: octets(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  };
  const made = /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey }));
  const response = /** @type {AuthenticatorAttestationResponse} */ (made.response);
  const told = await ask("/account/passkeys", {
    credential: {
      ...outside(made),
      response: {
        clientDataJSON: text(response.clientDataJSON),
        attestationObject: text(response.attestationObject),
        transports: response.getTransports?.() ?? [],
      },
    },
  });
  location.assign(told.to);
}

/**
 * @param {HTMLElement} place
 * @param {CredentialRequestOptions} [more]
 */
async function give(place, more = {}) {
  const form = place instanceof HTMLFormElement ? place : null;
  const options = await ask(form ? "/step-up/options" : "/passkey/options");
  address = options.origin;
  const publicKey = { ...options, challenge: octets(options.challenge), allowCredentials: known(options.allowCredentials) };
  const given = /** @type {PublicKeyCredential} */ (await navigator.credentials.get({ ...more, publicKey }));
  const response = /** @type {AuthenticatorAssertionResponse} */ (given.response);
  const credential = {
    ...outside(given),
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      ...(response.userHandle ? { userHandle: text(response.userHandle) } : {}),
    },
  };
  if (form) {
    /** @type {HTMLInputElement} */ (form.elements.namedItem("given")).value = JSON.stringify(credential);
    form.submit();
    return;
  }
  location.assign((await ask("/passkey/sign-in", { credential })).to);
}

class Refused extends Error {}

/**
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>}
 */
async function ask(path, body = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = /** @type {Told} */ (await answer.json());
  if (told.error?.code === "step_up") {
    location.assign(`/step-up?back=${encodeURIComponent(location.pathname)}`);
    return new Promise(() => {}); // the page leaves
  }
  if (told.error) throw new Refused(told.error.detail);
  return told;
}

/**
 * @param {HTMLElement} place
 * @param {unknown} error
 */
function explained(place, error) {
  if (error instanceof Refused) return error.message;
  return say(place, NAMES[error instanceof Error ? error.name : ""] ?? "cancelled", { address });
}

/**
 * @param {HTMLElement} place
 * @param {string} sentence
 */
function problem(place, sentence) {
  const line = /** @type {HTMLElement} */ (place.querySelector("[data-passkey-problem]"));
  line.textContent = sentence;
  line.hidden = !sentence;
}

/** @param {PublicKeyCredential} credential */
function outside(credential) {
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, clientExtensionResults: {} };
}

/** @param {{id: string, type: PublicKeyCredentialType}[] | undefined} list */
function known(list) {
  return (list ?? []).map((one) => ({ ...one, id: octets(one.id) }));
}

/** @param {string} base64url */
function octets(base64url) {
  return Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
}

/** @param {ArrayBuffer} buffer */
function text(buffer) {
  const signs = Array.from(new Uint8Array(buffer), (octet) => String.fromCharCode(octet)).join("");
  return btoa(signs).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
