// Files sent ahead of the message, one after the other, in pieces (tus 1.0.0: see webchat/uploading.py). A cut pauses
// them, they go on where the server says they stopped; the same file chosen again after a reload goes on too.

import { copy, say } from "./little.js";

const PIECE = 512 * 1024;
const TUS = { "Tus-Resumable": "1.0.0", Accept: "application/json" };
const WAITS_MS = [1_000, 2_000, 4_000, 8_000, 15_000];
const SIDE = 48;

/**
 * @typedef {{file: File, chip: HTMLElement, id: string, offset: number, tries: number, gone: boolean, done: boolean,
 *            request?: XMLHttpRequest}} Item
 */

/** A refusal that trying again would not change. */
class Refusal extends Error {}

export class Uploads {
  /**
   * @param {HTMLFormElement} form
   * @param {ParentNode} sayings
   * @param {string} base
   * @param {{tell: (problem: string) => void, settled: () => void}} listeners `settled`: none is on its way any more
   */
  constructor(form, sayings, base, listeners) {
    this.form = form;
    this.sayings = sayings;
    this.place = `${base}/uploads`;
    this.listeners = listeners;
    this.list = /** @type {HTMLElement} */ (form.querySelector("[data-chips]"));
    /** @type {Item[]} */
    this.items = [];
    this.running = false;
    this.wake = () => {};
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("input[type=file]"))) {
      input.addEventListener("change", () => {
        this.add([...(input.files ?? [])]);
        input.value = "";
      });
    }
    form.addEventListener("paste", (event) => this.offered(event, event.clipboardData));
    const ground = form.closest("main") ?? form;
    ground.addEventListener("dragover", (event) => {
      if (!/** @type {DragEvent} */ (event).dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      form.classList.add("dropping");
    });
    for (const end of ["dragleave", "drop"]) ground.addEventListener(end, () => form.classList.remove("dropping"));
    ground.addEventListener("drop", (event) => this.offered(event, /** @type {DragEvent} */ (event).dataTransfer));
    addEventListener("online", () => this.wake());
  }

  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  offered(event, data) {
    const files = [...(data?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.add(files);
  }

  /** Whether something is still on its way. */
  get busy() {
    return this.items.some((item) => !item.done);
  }

  /** Octets and number of all that goes with the message. */
  total() {
    const ticked = /** @type {NodeListOf<HTMLInputElement>} */ (this.list.querySelectorAll("input:checked[data-size]"));
    const coming = this.items.filter((item) => !item.done);
    return {
      count: ticked.length + coming.length,
      octets: [...ticked].reduce((sum, box) => sum + Number(box.dataset.size), 0) + coming.reduce((sum, item) => sum + item.file.size, 0),
    };
  }

  /** @param {File[]} files */
  add(files) {
    this.listeners.tell("");
    for (const file of files) {
      const problem = this.problem(file);
      if (problem) this.listeners.tell(problem);
      else this.items.push(this.show(file));
    }
    this.list.hidden = !this.list.children.length;
    this.form.querySelectorAll("details.add").forEach((tray) => tray.removeAttribute("open"));
    this.run();
  }

  /**
   * Limits are said before anything is sent.
   * @param {File} file
   */
  problem(file) {
    const { count, octets } = this.total();
    const all = octets + file.size;
    const same = this.items.some((item) => alike(item.file, file));
    if (same) return say(this.sayings, "twice", { name: file.name });
    if (!file.size) return say(this.sayings, "empty-file", { name: file.name });
    if (count >= Number(this.form.dataset.mostFiles)) return say(this.sayings, "many");
    if (all > Number(this.form.dataset.most)) return say(this.sayings, "heavy", { size: sizeOf(all) });
    return "";
  }

  /**
   * @param {File} file
   * @returns {Item}
   */
  show(file) {
    const chip = copy(this.sayings, "chip");
    part(chip, "[data-name]").textContent = file.name;
    part(chip, "[data-size]").textContent = sizeOf(file.size);
    part(chip, "progress").setAttribute("aria-label", file.name);
    /** @type {Item} */
    const item = { file, chip, id: "", offset: 0, tries: 0, gone: false, done: false };
    const remove = part(chip, "[data-remove]");
    remove.setAttribute("aria-label", say(this.sayings, "remove", { name: file.name }));
    remove.addEventListener("click", () => this.remove(item));
    this.list.append(chip);
    picture(file, /** @type {HTMLCanvasElement} */ (part(chip, "canvas")));
    return item;
  }

  /** @param {Item} item */
  remove(item) {
    item.gone = true;
    item.request?.abort();
    item.chip.remove();
    this.items = this.items.filter((other) => other !== item);
    this.list.hidden = !this.list.children.length;
    if (item.id) fetch(`${this.place}/${item.id}`, { method: "DELETE", headers: TUS }).catch(() => {});
    this.wake();
    this.form.dispatchEvent(new Event("change"));
    if (!this.busy) this.listeners.settled();
  }

  /** The message took them. */
  clear() {
    this.items = [];
    this.list.replaceChildren();
    this.list.hidden = true;
  }

  async run() {
    if (this.running) return;
    this.running = true;
    for (let item = this.next(); item; item = this.next()) await this.bring(item);
    this.running = false;
  }

  next() {
    return this.items.find((item) => !item.done);
  }

  /**
   * Bring one file as far as it goes; after a cut, wait for the network.
   * @param {Item} item
   */
  async bring(item) {
    try {
      if (!item.id) await this.begin(item);
      else if (item.tries) await this.ask(item);
      while (item.offset < item.file.size && !item.gone) await this.piece(item);
      if (!item.gone) this.finish(item);
    } catch (error) {
      if (item.gone) return;
      if (error instanceof Refusal) {
        this.remove(item);
        this.listeners.tell(error.message);
        return;
      }
      this.note(item, say(this.sayings, "paused"));
      const wait = WAITS_MS[Math.min(item.tries, WAITS_MS.length - 1)];
      item.tries += 1;
      await new Promise((go) => {
        this.wake = () => go(undefined);
        setTimeout(go, wait);
      });
    }
  }

  /** @param {Item} item */
  async begin(item) {
    const facts = { filename: item.file.name, filetype: item.file.type, modified: String(item.file.lastModified) };
    const metadata = Object.entries(facts).map(([name, value]) => `${name} ${base64(value)}`).join(",");
    const headers = { ...TUS, "Upload-Length": String(item.file.size), "Upload-Metadata": metadata };
    const answer = await fetch(this.place, { method: "POST", headers });
    if (answer.status !== 201) await refuse(answer);
    item.id = (answer.headers.get("Location") ?? "").split("/").pop() ?? "";
    item.offset = Number(answer.headers.get("Upload-Offset"));
  }

  /**
   * After a cut: how far did it come?
   * @param {Item} item
   */
  async ask(item) {
    const answer = await fetch(`${this.place}/${item.id}`, { method: "HEAD", headers: TUS });
    if (answer.status === 404) return this.begin(item); // it waited too long
    if (!answer.ok) throw new Error(String(answer.status));
    item.offset = Number(answer.headers.get("Upload-Offset"));
  }

  /**
   * One piece, with its progress.
   * @param {Item} item
   * @returns {Promise<void>}
   */
  piece(item) {
    const piece = item.file.slice(item.offset, item.offset + PIECE);
    const request = new XMLHttpRequest();
    item.request = request;
    return new Promise((go, fail) => {
      request.upload.addEventListener("progress", (event) => this.progress(item, item.offset + event.loaded));
      for (const end of ["error", "abort", "timeout"]) request.addEventListener(end, () => fail(new Error(end)));
      request.addEventListener("load", () => {
        if (request.status === 204) {
          item.offset = Number(request.getResponseHeader("Upload-Offset"));
          item.tries = 0;
          this.progress(item, item.offset);
          go();
        } else if (request.status >= 500 || [401, 404, 409, 429].includes(request.status)) {
          item.tries += 1;
          fail(new Error(String(request.status)));
        } else fail(new Refusal(problemOf(request.responseText)));
      });
      request.open("PATCH", `${this.place}/${item.id}`);
      for (const [name, value] of Object.entries(TUS)) request.setRequestHeader(name, value);
      request.setRequestHeader("Content-Type", "application/offset+octet-stream");
      request.setRequestHeader("Upload-Offset", String(item.offset));
      request.send(piece);
    });
  }

  /**
   * @param {Item} item
   * @param {number} octets
   */
  progress(item, octets) {
    /** @type {HTMLProgressElement} */ (part(item.chip, "progress")).value = (100 * octets) / item.file.size;
    this.note(item, "");
  }

  /**
   * @param {Item} item
   * @param {string} words
   */
  note(item, words) {
    part(item.chip, "[data-note]").textContent = words;
  }

  /** @param {Item} item */
  finish(item) {
    item.done = true;
    const box = /** @type {HTMLInputElement} */ (part(item.chip, "input"));
    box.name = `file.${item.id}`;
    box.dataset.size = String(item.file.size);
    box.checked = true;
    part(item.chip, "progress").hidden = true;
    this.note(item, say(this.sayings, "ready"));
    this.form.dispatchEvent(new Event("change"));
    if (!this.busy) this.listeners.settled();
  }
}

/**
 * @param {File} one
 * @param {File} other
 */
function alike(one, other) {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}

/**
 * @param {ParentNode} within
 * @param {string} selector
 */
function part(within, selector) {
  return /** @type {HTMLElement} */ (within.querySelector(selector));
}

/**
 * « 234 Ko », « 1,2 Mo », in the words of the page's language.
 * @param {number} octets
 */
function sizeOf(octets) {
  const [divisor, unit] = octets < 1e6 ? [1e3, "kilobyte"] : [1e6, "megabyte"];
  const format = { style: /** @type {const} */ ("unit"), unit, maximumFractionDigits: divisor === 1e6 ? 1 : 0 };
  return new Intl.NumberFormat(document.documentElement.lang, format).format(Math.max(octets / divisor, 1));
}

/** @param {string} text */
function base64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (octet) => String.fromCharCode(octet)).join(""));
}

/**
 * @param {Response} answer
 * @returns {Promise<never>}
 */
async function refuse(answer) {
  if (answer.status >= 500 || answer.status === 401) throw new Error(String(answer.status));
  throw new Refusal(problemOf(await answer.text()));
}

/** @param {string} text */
function problemOf(text) {
  try {
    return /** @type {string} */ (JSON.parse(text).error.detail);
  } catch {
    return "";
  }
}

/**
 * A small picture of a picture, drawn: the policy of our pages lets no other address show one.
 * @param {File} file
 * @param {HTMLCanvasElement} canvas
 */
async function picture(file, canvas) {
  if (!file.type.startsWith("image/")) return;
  try {
    const map = await createImageBitmap(file);
    const scale = SIDE / Math.min(map.width, map.height);
    const [width, height] = [map.width * scale, map.height * scale];
    canvas.getContext("2d")?.drawImage(map, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    map.close();
    canvas.hidden = false;
  } catch {
    // it says it is a picture, and is none we can draw
  }
}
