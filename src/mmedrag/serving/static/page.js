// The question of the page: image by drop, paste or choice; the reply as it is written.
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const form = $("ask"), input = $("image"), results = $("results"), status = $("status");
const casebase = form.dataset.casebase;
let reading = null; // the AbortController of the stream
let question = null; // pixels of the chosen image, for the viewer
let asked = location.search; // the question whose reply is shown
let unwritten = ""; // the end of what has come of the reply, where a mark is not whole yet

// Image

function choose(file) {
  const transfer = new DataTransfer();
  if (file) transfer.items.add(file);
  input.files = transfer.files;
  shown();
}

async function shown() {
  const file = input.files[0];
  question = null;
  $("chosen").hidden = !file;
  problem(null);
  if (!file) return;
  $("filename").textContent = file.name;
  if (file.size > Number(form.dataset.max)) {
    choose(null);
    problem({ status: 413, title: "Too large", detail: `The image has ${Math.ceil(file.size / 1048576)} MiB; at most ${Math.floor(form.dataset.max / 1048576)} MiB can be sent`, remedy: "Choose a smaller image." });
    return;
  }
  const body = new FormData();
  body.append("image", file, "image"); // the server is not told its name
  try {
    const reply = await fetch(`/pixels?casebase=${encodeURIComponent(casebase)}`, { method: "POST", body });
    if (!reply.ok) throw await reply.json();
    const pixels = await Viewer.pixels(reply);
    if (input.files[0] !== file) return;
    question = pixels;
    Viewer.thumbnail($("thumb"), pixels, 160);
  } catch (error) {
    choose(null);
    problem(!error.detail ? offline() : error.status === 422 ? { ...error, title: "The image cannot be read" } : error);
  }
}

input.addEventListener("change", shown);
$("remove").addEventListener("click", () => { choose(null); input.focus(); });
for (const name of ["dragover", "dragenter"]) document.addEventListener(name, (e) => { e.preventDefault(); $("drop").classList.add("over"); });
for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => $("drop").classList.remove("over"));
document.addEventListener("drop", (e) => { e.preventDefault(); if (e.dataTransfer.files[0]) choose(e.dataTransfer.files[0]); });
document.addEventListener("paste", (e) => { if (e.clipboardData.files[0]) { e.preventDefault(); choose(e.clipboardData.files[0]); } });

// Question

form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
$("text").addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) ask(); });
$("stop").addEventListener("click", () => reading && reading.abort());
for (const chip of form.querySelectorAll("input[name=domain]")) chip.addEventListener("change", () => { if (results.hidden) remember(); else ask(); });

function fields() {
  const data = new FormData(form), file = input.files[0];
  data.delete("image");
  for (const [name, value] of [...data]) if (value === "") data.delete(name);
  if (file) data.append("image", file, "image");
  return data;
}

// The address of a question, so that it can be sent, reloaded and gone back to. An image is no part
// of it: the address only says that there was one.
function remember() {
  const address = new URLSearchParams();
  for (const [name, value] of fields()) if (typeof value === "string" && !(name === "k" && value === "10")) address.set(name, value);
  address.set("casebase", casebase);
  if (input.files[0]) address.set("image", "1");
  if (`?${address}` !== location.search) history.pushState(null, "", `/?${address}`);
  asked = location.search;
}

addEventListener("popstate", () => {
  if (location.search === asked) return; // a link within the page
  asked = location.search;
  const address = new URLSearchParams(location.search);
  const hadImage = address.has("image");
  if (hadImage ? !input.files[0] : !address.get("text")) return location.reload();
  if (!hadImage && input.files[0]) choose(null);
  for (const element of form.elements) {
    const value = address.get(element.name) ?? (element.name === "k" ? "10" : "");
    if (element.type === "radio") element.checked = element.value === value;
    else if (element.name && element !== input) element.value = value;
  }
  ask();
});

async function ask() {
  const body = fields();
  if (!body.get("text")?.trim() && !body.get("image")) {
    problem({ status: 422, title: "Nothing is asked", detail: "There is neither a question nor an image", remedy: "Write a question, choose an image, or both." });
    $("text").focus();
    return;
  }
  remember();
  reading?.abort();
  const mine = reading = new AbortController();
  begin();
  let ended = false;
  try {
    const reply = await fetch(form.action, { method: "POST", body, signal: mine.signal, headers: { Accept: "text/event-stream" } });
    if (!reply.ok) throw await reply.json();
    for await (const [name, data] of events(reply.body)) {
      if (name === "fragment") fill(data.place, data.html);
      else if (name === "piece") write(data.text);
      else if (name === "problem") throw data;
      else if (name === "end") ended = true;
    }
    if (!ended) throw { status: "cut", title: "The reply was cut off", detail: "The connection ended before the reply did", remedy: "Ask again; what has come is still shown." };
    status.textContent = "The answer is there.";
  } catch (error) {
    if (mine !== reading) return;
    if (error.name === "AbortError") status.textContent = "Stopped.";
    else problem(error.title ? error : offline());
  } finally {
    if (mine === reading) end();
  }
}

function offline() {
  return { status: "cut", title: "The service cannot be reached", detail: "The connection was refused or cut off", remedy: "Check that the service runs, then try again." };
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const whole = rest.split("\n\n");
    rest = whole.pop();
    for (const block of whole) {
      const [first, second] = block.split("\n");
      yield [first.slice(7), JSON.parse(second.slice(6))];
    }
  }
}

function begin() {
  problem(null);
  $("empty")?.remove();
  results.hidden = false;
  results.setAttribute("aria-busy", "true");
  for (const place of ["understood", "answer", "cases", "definitions"]) $(place).replaceChildren();
  unwritten = "";
  $("understood").textContent = "Reading the question …";
  $("cases").append(Object.assign(document.createElement("div"), { className: "busy" }));
  $("stop").hidden = false;
  results.scrollIntoView({ block: "start" });
  status.textContent = "Searching.";
}

function end() {
  results.removeAttribute("aria-busy");
  $("stop").hidden = true;
  for (const waiting of document.querySelectorAll(".busy")) waiting.remove();
  document.querySelector(".reply.live")?.classList.remove("live");
  if ($("understood").textContent === "Reading the question …") results.hidden = true;
}

function fill(place, html) { $(place).innerHTML = html; } // rendered and escaped by the server

function write(text) {
  let live = document.querySelector("#answer .reply.live");
  if (!live) {
    fill("answer", '<div class="panel"><h2>Answer</h2><div class="reply live"></div></div>');
    live = document.querySelector("#answer .reply.live");
    status.textContent = "The answer is being written.";
  }
  unwritten += text;
  const open = unwritten.lastIndexOf("["), whole = open > unwritten.lastIndexOf("]") ? open : unwritten.length;
  live.append(...linked(unwritten.slice(0, whole)));
  unwritten = unwritten.slice(whole);
}

// Text with its marks as links to their cases, as the server makes them of the whole answer.
function linked(text) {
  return text.split(/\[([CD]\d+(?:, [CD]\d+)*)\]/).flatMap((part, i) => i % 2 === 0 ? [part] : part.split(", ").map((key) => Object.assign(document.createElement("a"), { className: "mark", href: `#${key}`, textContent: key })));
}

const PASSING = ["cut", 429, 502, 503, 504]; // what may be over when it is tried again
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;

function problem(data) {
  const place = $("problem");
  place.replaceChildren();
  if (!data) return;
  const box = document.createElement("div"), title = document.createElement("h2"), what = document.createElement("p"), remedy = document.createElement("p");
  box.className = "panel state";
  box.dataset.state = data.status;
  title.textContent = data.title;
  what.textContent = sentence(data.detail);
  remedy.textContent = sentence(data.remedy);
  box.append(title, what, remedy);
  if (data.status === 401) box.append(Object.assign(document.createElement("a"), { href: "/login", textContent: "Sign in again" }));
  if (PASSING.includes(data.status)) {
    const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Ask again" });
    again.addEventListener("click", ask);
    box.append(again);
  }
  place.append(box);
}

// Marks: the passage on hover and on focus

const passage = $("passage");

function reveal(mark) {
  const target = document.getElementById(mark.hash.slice(1));
  if (!target) return;
  passage.replaceChildren();
  const picture = target.querySelector("img");
  if (picture) passage.append(Object.assign(document.createElement("img"), { src: picture.src, alt: "" }));
  const name = target.querySelector("h3") ?? target, text = target.querySelector(".text") ?? target.nextElementSibling;
  passage.append(Object.assign(document.createElement("strong"), { textContent: name.textContent }), Object.assign(document.createElement("p"), { textContent: (text?.textContent ?? "").slice(0, 600) }));
  passage.hidden = false;
  mark.setAttribute("aria-describedby", "passage");
  const at = mark.getBoundingClientRect(), width = passage.offsetWidth;
  const below = at.bottom + passage.offsetHeight + 12 < innerHeight || at.top < passage.offsetHeight;
  passage.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8)) + scrollX}px`;
  passage.style.top = `${(below ? at.bottom + 6 : at.top - passage.offsetHeight - 6) + scrollY}px`;
}

function conceal() {
  passage.hidden = true;
  document.querySelector("[aria-describedby=passage]")?.removeAttribute("aria-describedby");
}

const markOf = (event) => event.target.closest?.("a.mark");
const place = (event) => `${event.screenX},${event.screenY}`;
let pointer = ""; // where it was last: a mark that is scrolled under it was not pointed at
document.addEventListener("mousemove", (e) => { pointer = place(e); });
results.addEventListener("mouseover", (e) => markOf(e) && place(e) !== pointer && reveal(markOf(e)));
results.addEventListener("mouseout", (e) => markOf(e) && !passage.matches(":hover") && conceal());
passage.addEventListener("mouseleave", conceal);
results.addEventListener("focusin", (e) => markOf(e) && reveal(markOf(e)));
results.addEventListener("focusout", (e) => markOf(e) && conceal());
document.addEventListener("keydown", (e) => e.key === "Escape" && conceal());
results.addEventListener("click", (e) => {
  const mark = markOf(e);
  if (mark) document.getElementById(mark.hash.slice(1))?.closest("details")?.setAttribute("open", "");
});

// Feedback

results.addEventListener("submit", async (event) => {
  if (!event.target.matches(".judge")) return;
  event.preventDefault();
  const judged = event.target, button = event.submitter;
  const body = new FormData(judged);
  body.set("verdict", button.value);
  try {
    const reply = await fetch(judged.action, { method: "POST", body, headers: { Accept: "application/json" } });
    if (!reply.ok) throw await reply.json();
    for (const other of judged.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
    status.textContent = `Kept: ${button.value}.`;
  } catch (error) {
    problem(error.title ? error : offline());
  }
});

// Compare

const viewer = new Viewer($("compare"), async (card) => {
  const reply = await fetch(`/image?id=${encodeURIComponent(card.dataset.id)}&casebase=${encodeURIComponent(casebase)}`);
  if (!reply.ok) throw await reply.json();
  return Viewer.pixels(reply);
}, async (card) => {
  const body = new FormData();
  body.append("case", card.dataset.id);
  body.append("text", $("text").value);
  body.append("image", input.files[0], "image");
  const reply = await fetch(`/v1/why?casebase=${encodeURIComponent(casebase)}`, { method: "POST", body });
  if (!reply.ok) throw await reply.json();
  return reply.json();
});

results.addEventListener("click", (e) => {
  const button = e.target.closest("button.picture");
  if (!button) return;
  const cards = [...results.querySelectorAll("article.card")].filter((card) => card.querySelector("img"));
  $("left-text").textContent = $("text").value;
  viewer.open(question, cards, cards.indexOf(button.closest("article"))).catch((error) => problem(error.title ? error : offline()));
});

if (input.files[0]) shown();
