// Comforts of the forms of sign-in: to see what one types, how strong it is, to copy what is shown once. All of it
// works without.

for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-show]"))) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById(button.dataset.show ?? ""));
  const word = /** @type {HTMLElement} */ (button.firstElementChild);
  const shown = word.textContent ?? "";
  button.hidden = false;
  const turn = (/** @type {boolean} */ on) => {
    field.type = on ? "text" : "password";
    word.textContent = on ? (button.dataset.hide ?? "") : shown;
  };
  button.addEventListener("click", () => turn(field.type === "password"));
  field.form?.addEventListener("submit", () => turn(false)); // browsers keep what was typed in plain sight
}

for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-copy]"))) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = /** @type {HTMLElement} */ (document.getElementById(button.dataset.copy ?? ""));
    await navigator.clipboard.writeText(from.innerText.trim());
    button.textContent = button.dataset.done ?? "";
  });
}

for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-print]"))) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

/**
 * As `server.strength.bits`: characters by their kinds; one that returns counts less.
 * @param {string} text
 */
function bits(text) {
  const kinds = /** @type {[RegExp, number][]} */ ([[/[a-z]/, 26], [/[A-Z]/, 26], [/[0-9]/, 10], [/[^a-zA-Z0-9\s]/, 33]]);
  const pool = kinds.reduce((sum, [kind, size]) => sum + (kind.test(text) ? size : 0), 0);
  const signs = [...text];
  return pool ? Math.min(signs.length, 2 * new Set(signs).size) * Math.log2(pool) : 0;
}

for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-measured]"))) {
  const said = /** @type {HTMLOutputElement} */ (document.getElementById(field.dataset.measured ?? ""));
  field.addEventListener("input", () => {
    const found = bits(field.value) < 50 ? "weak" : bits(field.value) < 80 ? "fair" : "strong";
    const sentence = field.value ? (said.dataset[found] ?? "") : "";
    if (said.textContent !== sentence) said.textContent = sentence; // once a change, not once a key
    said.dataset.found = found;
  });
}
