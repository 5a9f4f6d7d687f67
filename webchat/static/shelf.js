// Choosing several documents: how many, and all of the page at once. The form works without it.

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-choose]"));
const boxes = [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(".pick-one input"))];
const count = /** @type {HTMLElement | null} */ (document.querySelector("[data-count]"));
const all = /** @type {HTMLButtonElement | null} */ (document.querySelector("[data-all]"));

function tell() {
  const chosen = boxes.filter((box) => box.checked).length;
  if (count) count.textContent = (count.dataset.said ?? "").replace("{count}", String(chosen));
}

if (form && boxes.length) {
  form.addEventListener("change", tell);
  if (all) {
    all.hidden = false;
    all.addEventListener("click", () => {
      const on = boxes.some((box) => !box.checked);
      for (const box of boxes) box.checked = on;
      tell();
    });
  }
  tell();
}
