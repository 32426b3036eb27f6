// Two images side by side: one zoom, place and window for both.

const HOUNSFIELD = { 2: [0, 2000], 3: [40, 400], 4: [-600, 1500], 5: [480, 2500] };
// Of what has no Hounsfield units: where its own window is moved, and how wide it becomes, as parts of it.
const RELATIVE = { 1: [0, 1], 2: [0, 1.6], 3: [-0.07, 0.6], 4: [-0.22, 0.55], 5: [0.2, 0.6] };
const NAMES = { 2: ["Wide", "Wide"], 3: ["Soft tissue", "Narrow"], 4: ["Lung", "Dark parts"], 5: ["Bone", "Bright parts"] };

export class Viewer {
  constructor(dialog, load, explain) {
    this.dialog = dialog;
    this.load = load;
    this.explain = explain;
    const at = (id) => dialog.querySelector(`#${id}`);
    this.panes = [{ canvas: at("left") }, { canvas: at("right") }];
    this.name = at("compare-name");
    this.caption = at("right-name");
    this.report = at("right-text");
    at("compare-close").addEventListener("click", () => dialog.close());
    at("previous").addEventListener("click", () => this.step(-1));
    at("next").addEventListener("click", () => this.step(1));
    at("zoom-in").addEventListener("click", () => this.zoom(1.25));
    at("zoom-out").addEventListener("click", () => this.zoom(0.8));
    at("reset").addEventListener("click", () => this.reset());
    this.why = at("why");
    this.words = at("why-text");
    this.units = at("units");
    this.why.addEventListener("click", () => this.toggle());
    for (const button of dialog.querySelectorAll("[data-preset]")) button.addEventListener("click", () => this.preset(Number(button.dataset.preset)));
    dialog.addEventListener("keydown", (event) => this.key(event));
    for (const { canvas } of this.panes) this.listen(canvas);
    new ResizeObserver(() => dialog.open && this.draw()).observe(dialog);
  }

  // Pixels of a reply: grey values as they are, or the colours of a picture.
  static async pixels(reply) {
    if (reply.headers.get("content-type") === "application/octet-stream") {
      const [centre, width] = reply.headers.get("x-window").split(",").map(Number);
      return { width: Number(reply.headers.get("x-width")), height: Number(reply.headers.get("x-height")), grey: new Float32Array(await reply.arrayBuffer()), centre, span: width, hounsfield: reply.headers.get("x-units") === "HU" };
    }
    const bitmap = await createImageBitmap(await reply.blob());
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return { width: bitmap.width, height: bitmap.height, colours: context.getImageData(0, 0, bitmap.width, bitmap.height).data, centre: 127.5, span: 255 };
  }

  static thumbnail(canvas, pixels, side) {
    const scale = Math.min(1, side / Math.max(pixels.width, pixels.height));
    canvas.width = Math.max(1, Math.round(pixels.width * scale));
    canvas.height = Math.max(1, Math.round(pixels.height * scale));
    canvas.getContext("2d").drawImage(Viewer.windowed(pixels, pixels.centre, pixels.span), 0, 0, canvas.width, canvas.height);
  }

  static windowed(pixels, centre, span) {
    const { width, height } = pixels, low = centre - span / 2, scale = 255 / Math.max(span, 1e-6);
    const image = new ImageData(width, height), out = image.data;
    for (let i = 0, n = width * height; i < n; i++) {
      for (let c = 0; c < 3; c++) out[4 * i + c] = ((pixels.grey ? pixels.grey[i] : pixels.colours[4 * i + c]) - low) * scale;
      out[4 * i + 3] = 255;
    }
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  async open(question, cards, at) {
    this.cards = cards;
    this.at = at;
    this.panes[0].pixels = question;
    if (!this.dialog.open) this.dialog.showModal();
    this.panes[0].canvas.closest("figure").hidden = this.why.hidden = !question;
    this.reset();
    await this.show();
  }

  async show() {
    const card = this.cards[this.at];
    const title = card.querySelector("h3").textContent.trim();
    this.name.textContent = `${this.at + 1} of ${this.cards.length}`;
    const similarity = card.querySelector(".scores span")?.textContent ?? "";
    this.caption.textContent = [`${title} (${card.dataset.id})`, similarity].filter(Boolean).join(" · ");
    this.report.replaceChildren(...card.querySelector(".text").cloneNode(true).childNodes);
    this.report.scrollTop = 0;
    this.panes[1].canvas.setAttribute("aria-label", `The image of case ${title}`);
    this.panes[1].pixels = null;
    this.draw();
    const wanted = this.at;
    const pixels = await this.load(card);
    if (wanted !== this.at) return;
    this.panes[1].pixels = pixels;
    this.draw();
    await this.explained();
  }

  // Why similar: a map over both images, and the findings in words.

  async toggle() {
    if (this.why.hidden) return;
    this.why.setAttribute("aria-pressed", String(!this.explaining));
    await this.explained();
  }

  get explaining() { return !this.why.hidden && this.why.getAttribute("aria-pressed") === "true"; }

  async explained() {
    for (const pane of this.panes) pane.map = null;
    this.words.textContent = this.explaining ? "Comparing the regions of both images …" : "";
    this.draw();
    if (!this.explaining) return;
    const wanted = this.at;
    let found;
    try {
      found = await this.explain(this.cards[wanted]);
    } catch (error) {
      this.words.textContent = error.detail ? `${error.detail}. ${error.remedy}` : "The service cannot be reached.";
      return;
    }
    if (wanted !== this.at || !this.explaining) return;
    this.panes[0].map = Viewer.heat(found.question_map.values);
    this.panes[1].map = Viewer.heat(found.case_map.values);
    this.words.replaceChildren(...[
      `Bright regions add most to the similarity of the images (${found.similarity.toFixed(2)}): ${found.question_map.strongest} in the question, ${found.case_map.strongest} in the case.`,
      found.shared.length ? `Findings in both texts: ${found.shared.join(", ")}.` : "The question and the report share no finding.",
      found.differing.length ? `They differ on: ${found.differing.join(", ")}.` : "",
      found.hint,
    ].filter(Boolean).map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    this.draw();
  }

  static heat(values) {
    const height = values.length, width = values[0].length, image = new ImageData(width, height);
    values.flat().forEach((value, i) => image.data.set([255, 170 + 70 * value, 40, 215 * value ** 2], 4 * i));
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  step(by) {
    this.at = (this.at + by + this.cards.length) % this.cards.length;
    for (const pane of this.panes) pane.map = null;
    this.show();
  }

  reset() {
    Object.assign(this, { scale: 1, x: 0, y: 0, shift: 0, stretch: 1, chosen: 1 });
    this.draw();
  }

  preset(number) {
    Object.assign(this, { chosen: number, shift: 0, stretch: 1 });
    this.draw();
  }

  zoom(by) {
    this.scale = Math.min(20, Math.max(0.5, this.scale * by));
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const actions = { j: () => this.step(1), k: () => this.step(-1), r: () => this.reset(), w: () => this.toggle(), "+": () => this.zoom(1.25), "-": () => this.zoom(0.8), arrowleft: () => this.move(30, 0), arrowright: () => this.move(-30, 0), arrowup: () => this.move(0, 30), arrowdown: () => this.move(0, -30) };
    if (key >= "1" && key <= "5") this.preset(Number(key));
    else if (actions[key]) actions[key]();
    else return;
    event.preventDefault();
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.draw();
  }

  listen(canvas) {
    canvas.addEventListener("wheel", (e) => { e.preventDefault(); this.zoom(e.deltaY < 0 ? 1.1 : 0.9); }, { passive: false });
    const down = new Map(); // pointers on the canvas, by id
    const spread = () => { const [a, b] = down.values(); return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY); };
    canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); down.set(e.pointerId, e); });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => down.delete(e.pointerId));
    canvas.addEventListener("pointermove", (e) => {
      if (!down.has(e.pointerId)) return;
      const before = down.size === 2 ? spread() : 0;
      down.set(e.pointerId, e);
      if (down.size === 2) return this.zoom(spread() / Math.max(before, 1));
      if (!e.shiftKey) return this.move(e.movementX, e.movementY);
      this.stretch = Math.max(0.02, this.stretch * (1 + e.movementX / 200));
      this.shift += e.movementY / 400;
      this.draw();
    });
  }

  window(pixels) {
    const [move, width] = RELATIVE[this.chosen];
    const own = [pixels.centre + move * pixels.span, width * pixels.span];
    const [centre, span] = (pixels.hounsfield && HOUNSFIELD[this.chosen]) || own;
    return [centre + this.shift * span, span * this.stretch];
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      const ct = this.panes.some((pane) => pane.pixels?.hounsfield);
      for (const button of this.dialog.querySelectorAll("[data-preset]")) {
        const number = Number(button.dataset.preset);
        button.setAttribute("aria-pressed", String(number === this.chosen));
        if (NAMES[number]) button.textContent = `${number} ${NAMES[number][ct ? 0 : 1]}`;
      }
      this.units.hidden = !ct;
      for (const pane of this.panes) this.paint(pane);
    });
  }

  paint(pane) {
    const { canvas, pixels } = pane;
    canvas.width = canvas.clientWidth * devicePixelRatio;
    canvas.height = canvas.clientHeight * devicePixelRatio;
    if (!pixels || !canvas.width) return;
    const [centre, span] = this.window(pixels), seen = `${centre},${span}`;
    if (pane.source !== pixels || pane.seen !== seen) Object.assign(pane, { source: pixels, seen, picture: Viewer.windowed(pixels, centre, span) });
    const context = canvas.getContext("2d"), fit = Math.min(canvas.width / pixels.width, canvas.height / pixels.height) * this.scale;
    context.imageSmoothingEnabled = fit < 4;
    context.translate(canvas.width / 2 + this.x * devicePixelRatio, canvas.height / 2 + this.y * devicePixelRatio);
    context.drawImage(pane.picture, -pixels.width * fit / 2, -pixels.height * fit / 2, pixels.width * fit, pixels.height * fit);
    if (!pane.map) return;
    context.imageSmoothingEnabled = true;
    context.drawImage(pane.map, -pixels.width * fit / 2, -pixels.height * fit / 2, pixels.width * fit, pixels.height * fit);
  }
}
