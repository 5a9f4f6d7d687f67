// The pages of a scan: photos put in order, turned and cut on canvases before they are sent; small enough, then, to be
// sent quickly. What this browser cannot draw goes as it is, and without a script everything does.

import { copy, say } from "./little.js";

const SIDE = 2339; // pixels of the longer side of an A4 sheet at 200 dots an inch: what the server keeps
const SEEN = 400;
const QUALITY = 0.85;

/**
 * @typedef {{top: number, right: number, bottom: number, left: number}} Cut parts of a hundred
 * @typedef {{file: File, picture: ImageBitmap | null, turns: number, cut: Cut, item: HTMLElement}} Sheet
 */

class Scan {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.input = /** @type {HTMLInputElement} */ (form.querySelector("input[type=file]"));
    this.place = /** @type {HTMLElement} */ (form.querySelector("[data-sheets]"));
    this.list = /** @type {HTMLElement} */ (this.place.querySelector("ol"));
    this.status = /** @type {HTMLElement} */ (this.place.querySelector("[data-status]"));
    /** @type {Sheet[]} */
    this.sheets = [];
    this.input.addEventListener("change", () => this.take());
    form.addEventListener("change", (event) => {
      if (event.target !== this.input) this.show();
    });
    form.addEventListener("submit", (event) => this.send(event));
    this.list.addEventListener("click", (event) => this.act(event));
    this.list.addEventListener("input", (event) => this.cut(event));
    if (this.input.files?.length) this.take(); // somebody came back to the page
  }

  get one() {
    return new FormData(this.form).get("one") === "1";
  }

  async take() {
    const files = [...(this.input.files ?? [])];
    const sheets = await Promise.all(files.map((file) => this.sheet(file)));
    this.sheets = sheets.filter((sheet) => sheet.file.type.startsWith("image/"));
    this.others = sheets.filter((sheet) => !this.sheets.includes(sheet)).map((sheet) => sheet.file);
    this.list.replaceChildren(...this.sheets.map((sheet) => sheet.item));
    this.show();
  }

  /**
   * @param {File} file
   * @returns {Promise<Sheet>}
   */
  async sheet(file) {
    const picture = file.type.startsWith("image/") ? await createImageBitmap(file).catch(() => null) : null;
    const item = copy(this.form, "sheet");
    return { file, picture, turns: 0, cut: { top: 0, right: 0, bottom: 0, left: 0 }, item };
  }

  show() {
    this.place.hidden = !this.one || !this.sheets.length;
    this.place.classList.toggle("plain-pages", new FormData(this.form).get("plain") === "1");
    if (this.place.hidden) return;
    this.sheets.forEach((sheet, at) => {
      const name = say(this.form, "page", { at: String(at + 1), count: String(this.sheets.length) });
      /** @type {HTMLElement} */ (sheet.item.querySelector("[data-name]")).textContent = sheet.picture
        ? name
        : `${name} – ${say(this.form, "unreadable")}`;
      const canvas = /** @type {HTMLCanvasElement} */ (sheet.item.querySelector("canvas"));
      canvas.setAttribute("aria-label", `${name}, ${sheet.file.name}`);
      draw(sheet, canvas, SEEN);
      for (const [act, off] of /** @type {[string, boolean][]} */ ([["earlier", at === 0], ["later", at === this.sheets.length - 1]])) {
        /** @type {HTMLButtonElement} */ (sheet.item.querySelector(`[data-do=${act}]`)).disabled = off;
      }
    });
  }

  /** @param {Event} event */
  act(event) {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    const at = this.sheets.findIndex((sheet) => sheet.item.contains(button));
    const act = button?.dataset.do;
    if (at < 0 || !act) return;
    const sheet = this.sheets[at];
    if (!sheet) return;
    if (act === "turn") sheet.turns = (sheet.turns + 1) % 4;
    if (act === "drop") this.sheets.splice(at, 1);
    const to = at + (act === "later" ? 1 : act === "earlier" ? -1 : 0);
    if (to !== at && to >= 0 && to < this.sheets.length) {
      this.sheets.splice(to, 0, ...this.sheets.splice(at, 1));
      this.status.textContent = say(this.form, "moved", { at: String(to + 1), count: String(this.sheets.length) });
    }
    this.list.replaceChildren(...this.sheets.map((one) => one.item));
    this.show();
    if (act === "drop") this.changed();
    const stays = /** @type {HTMLButtonElement} */ (button);
    const next = this.sheets[Math.min(to, this.sheets.length - 1)]?.item.querySelector("[data-do=turn]");
    const focused = act === "drop" || stays.disabled ? (next ?? this.input) : stays;
    /** @type {HTMLElement} */ (focused).focus();
  }

  /** @param {Event} event */
  cut(event) {
    const range = /** @type {HTMLInputElement} */ (event.target);
    const sheet = this.sheets.find((one) => one.item.contains(range));
    const side = /** @type {keyof Cut | undefined} */ (range.dataset.side);
    if (!sheet || !side) return;
    sheet.cut[side] = Number(range.value);
    draw(sheet, /** @type {HTMLCanvasElement} */ (sheet.item.querySelector("canvas")), SEEN);
  }

  /** The files of the input are those that are still shown. */
  changed() {
    this.put(this.sheets.map((sheet) => sheet.file));
  }

  /** @param {File[]} files */
  put(files) {
    const data = new DataTransfer();
    for (const file of [...files, ...(this.others ?? [])]) data.items.add(file);
    this.input.files = data.files;
  }

  /** @param {Event} event */
  async send(event) {
    if (!this.one || !this.sheets.some((sheet) => sheet.picture)) return;
    event.preventDefault();
    const files = [];
    for (const sheet of this.sheets) files.push(await made(sheet));
    this.put(files);
    this.form.submit();
  }
}

/**
 * The page as it is turned and cut.
 * @param {Sheet} sheet
 * @param {HTMLCanvasElement} canvas
 * @param {number} side
 */
function draw(sheet, canvas, side) {
  const picture = sheet.picture;
  if (!picture) return;
  const upright = sheet.turns % 2 === 0;
  const [wide, high] = upright ? [picture.width, picture.height] : [picture.height, picture.width];
  const { top, right, bottom, left } = sheet.cut;
  const [across, down] = [(wide * (100 - left - right)) / 100, (high * (100 - top - bottom)) / 100];
  const scale = Math.min(1, side / Math.max(across, down));
  canvas.width = Math.max(1, Math.round(across * scale));
  canvas.height = Math.max(1, Math.round(down * scale));
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.scale(scale, scale);
  pen.translate(-(wide * left) / 100 + wide / 2, -(high * top) / 100 + high / 2);
  pen.rotate((sheet.turns * Math.PI) / 2);
  pen.drawImage(picture, -picture.width / 2, -picture.height / 2);
}

/**
 * @param {Sheet} sheet
 * @returns {Promise<File>}
 */
async function made(sheet) {
  if (!sheet.picture) return sheet.file;
  const canvas = document.createElement("canvas");
  draw(sheet, canvas, SIDE);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  return blob ? new File([/** @type {Blob} */ (blob)], `${sheet.file.name.replace(/\.\w+$/, "")}.jpg`, { type: "image/jpeg" }) : sheet.file;
}

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-adding]"));
if (form) new Scan(form);
