// What JavaScript adds to a page that works without it: messages that arrive by themselves, writing that does not reload.
// The server renders each message once; this puts it in its place, by its id, as often as it comes.

import { watchActs } from "./acts.js";
import { Composer } from "./composer.js";
import { watchList } from "./list.js";
import { Live } from "./live.js";
import { Rows } from "./rows.js";
import { watchTemplates } from "./templates.js";
import { Thread } from "./thread.js";
import { refreshAges, closeMenus } from "./little.js";

const desk = /** @type {HTMLElement | null} */ (document.querySelector("[data-live]"));
if (desk) start(desk);
closeMenus();
refreshAges();

/** @param {HTMLElement} desk */
function start(desk) {
  const { mailbox = "", base = "", cursor = "0", conversation = "", language = "fr" } = desk.dataset;
  const rows = new Rows(desk, base, conversation);
  const thread = conversation ? new Thread(desk, conversation) : null;
  const live = new Live({ mailbox, cursor: Number(cursor), conversation, language });
  const form = /** @type {HTMLFormElement | null} */ (desk.querySelector("form[data-composer]"));
  const composer = form && thread ? new Composer(form, thread, live, base) : null;

  live.on("entries", (entries) => {
    if (thread) for (const entry of entries) thread.take(entry);
    composer?.noticed(entries);
  });
  live.on("moved", () => rows.refresh());
  watchList(desk, rows);
  if (thread) {
    thread.onRead = (upTo) => live.read(conversation, upTo);
    live.on("typing", (who) => thread.typing(who.name));
    live.on("presence", (who) => thread.presence(who.name));
    watchActs(desk, live);
    watchTemplates(desk);
  }
  live.on("state", (connected) => {
    if (connected) desk.dataset.connected = "";
    else delete desk.dataset.connected;
    thread?.connected(connected);
    composer?.connected();
  });
  live.connect();
}
