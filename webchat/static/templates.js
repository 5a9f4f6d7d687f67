// A text of the office, put where one writes: what stood there stays above it.

/** @param {HTMLElement} desk */
export function watchTemplates(desk) {
  desk.addEventListener("click", (event) => {
    const link = /** @type {HTMLElement} */ (event.target).closest("a[data-phrase]");
    const sheet = /** @type {HTMLTextAreaElement | null} */ (desk.querySelector("form[data-composer] textarea[name=text]"));
    if (!(link instanceof HTMLElement) || !sheet) return;
    event.preventDefault();
    const before = sheet.value.trimEnd();
    sheet.value = (before ? `${before}\n\n` : "") + (link.dataset.phrase ?? "");
    const list = /** @type {HTMLDetailsElement | null} */ (link.closest("details"));
    if (list) list.open = false;
    sheet.dispatchEvent(new Event("input", { bubbles: true }));
    sheet.focus();
  });
}
