// How far a copy is, without loading the page again; when one is over, the page is, once.
// @ts-check

const EVERY_MS = 3000;
const bars = /** @type {NodeListOf<HTMLProgressElement>} */ (document.querySelectorAll("progress[data-copy]"));

async function look() {
  const answer = await fetch(`${location.pathname.replace(/\/$/, "")}/standing`, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  /** @type {{id: string, state: string, done: number, total: number}[]} */
  const copies = await answer.json();
  for (const bar of bars) {
    const copy = copies.find((one) => one.id === bar.dataset.copy);
    if (!copy || !["waiting", "running"].includes(copy.state)) {
      location.reload();
      return;
    }
    bar.max = copy.total || 1;
    bar.value = copy.done;
  }
  setTimeout(look, EVERY_MS);
}

if (bars.length) setTimeout(look, EVERY_MS);
