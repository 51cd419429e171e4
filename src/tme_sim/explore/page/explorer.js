// The page: one line to the server, edits out, frames in.  Of a gesture only the latest position is sent, and only when
// the one before has been answered, so that moving fast never builds up work.

import { Calendar } from "./calendar.js";
import { Controls } from "./controls.js";
import { Figures, legible, short } from "./figures.js";
import { Timing } from "./timing.js";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const record = { latencies: [], frames: 0, refused: [], state: null, frame: null };
window.explorer = record; // read by the tests

let socket, sequence = 0, gestures = 0, waiting = null, held = null, download = null, view = "overview", banded = false, period = null, lastPanel = null;
const asked = new Map();

function say(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function edit(change, gesture = null) {
  const message = { type: "edit", edit: change, gesture, id: (sequence += 1), when: performance.now() };
  if (gesture !== null && waiting !== null) { held = message; return; }
  post(message);
}

function post(message) {
  asked.set(message.id, message.when);
  waiting = message.id;
  const { when, ...sent } = message;
  say(sent);
}

function answered() {
  waiting = null;
  if (held) { const next = held; held = null; post(next); }
}

const hooks = {
  edit,
  gesture: () => `g${(gestures += 1)}`,
  settle: () => {},
  busy: () => waiting !== null || held !== null || (record.state !== null && record.frame !== null && record.state.revision > record.frame.revision),
  colour: (colour) => legible(colour, root.dataset.theme === "dark"),
  point: (day) => { calendar.mark(day); figures.mark(day); },
  brush: (span, done, panel) => brushed(span, done, panel),
};
record.busy = hooks.busy;
const calendar = new Calendar($("bars"), $("inspector"), hooks);
const controls = new Controls($("groups"), $("found"), $("search"), hooks);
const figures = new Figures($("figures"), hooks);
const timing = new Timing($("map"), $("maptext"), {
  dark: () => root.dataset.theme === "dark",
  ink: () => figures.ink(),
  move: (first, days, second, goal, axis) => both(first, days, second, goal, axis),
});

// The second treatment may be dated from the first, so it is moved when the first has come to rest.
let next = null;
function both(first, days, second, goal, axis) {
  next = () => {
    const day = timing.day(axis), row = timing.row(axis);
    if (row && day !== null && Math.round(goal - day)) edit({ do: "move", index: row.index, days: Math.round(goal - day) });
  };
  if (Math.round(days)) edit({ do: "move", index: first.index, days: Math.round(days) });
  else { const then = next; next = null; then(); }
}

const take = {
  hello(message) {
    controls.build(message.form);
    record.draws = message.draws;
    record.known = message.known;
    $("band").title += `; from the ${message.known}`;
    for (const [name, words] of Object.entries(message.views)) {
      const button = Object.assign(document.createElement("button"), { textContent: words, type: "button" });
      button.dataset.view = name;
      button.setAttribute("role", "tab");
      button.addEventListener("click", () => choose(name));
      $("views").append(button);
    }
    tabs();
    record.study = message.study;
    $("mapstudy").hidden = !message.study;
    const option = (value, text, parent) => parent.append(Object.assign(document.createElement("option"), { value, textContent: text }));
    option("tace", "TACE", $("add"));
    for (const role of [...new Set(message.drugs.map((d) => d.role))]) {
      const group = Object.assign(document.createElement("optgroup"), { label: role });
      for (const drug of message.drugs.filter((d) => d.role === role)) option(drug.name, drug.name, group);
      $("add").append(group);
    }
  },
  state(message) {
    const moved = !record.state || record.state.revision !== message.revision;
    record.state = message;
    $("title").textContent = message.title;
    document.title = `${message.name} – tme_sim explorer`;
    $("undo").disabled = !message.undo;
    $("redo").disabled = !message.redo;
    controls.take(message.values, message.lesions);
    calendar.show(message.calendar);
    $("fidelity").hidden = !message.agents;
    timing.follow(message.calendar.rows);
    axes(message.calendar.rows);
    if (moved && next) { const then = next; next = null; then(); }
    if (moved && record.timing && record.timing.revision !== undefined) $("map").style.opacity = 0.6;
    if (moved) warn(message.warnings);
  },
  frame(message) {
    const changed = !record.frame || record.frame.revision !== message.revision;
    record.frame = message;
    if (changed && period) answerStale();
    status("");
    figures.show(message);
    if (period) figures.shade(period);
    calendar.show(message.calendar);
    states(message.states);
    fill($("mapof"), message.outcomes.map((o) => [o.name, o.words]));
    tiles(message.endpoints, message.pins);
    pins(message.pins);
    const begun = asked.get(message.answers);
    for (const id of asked.keys()) if (id <= message.answers) asked.delete(id);
    requestAnimationFrame(() => setTimeout(() => {
      record.frames += 1;
      if (begun !== undefined) {
        const spent = performance.now() - begun;
        record.latencies.push(spent);
        if (!held) $("speed").textContent = `${Math.round(spent)} ms`; // not while the hand moves on: it costs a frame
      }
      answered();
    }, 0));
    if (banded) later();
  },
  refused(message) {
    record.refused.push(message.text);
    notice(message.text);
    if (message.text) answered();
  },
  failed(message) { status(""); notice(message.text); answered(); },
  busy(message) { status(message.text); answered(); },
  job(message) { status(message.text); },
  band(message) {
    if (!record.frame || message.revision !== record.frame.revision || message.view !== view || !banded) return;
    record.band = message;
    status(message.over ? "" : `Band: ${message.done} of ${record.draws} runs`);
    $("bandnote").textContent = message.over ? message.why : "";
    $("bandnote").hidden = !$("bandnote").textContent;
    figures.band(message);
    ranges(message);
  },
  explained(message) { status(""); answer(message); },
  timing(message) {
    record.timing = message;
    $("map").style.opacity = 1;
    status(message.done < message.total ? `Map: ${message.done} of ${message.total} runs` : "");
    timing.show(message);
    for (const [id, axis] of [["mapx", message.x], ["mapy", message.y]]) { // the choice says what is shown
      const same = [...$(id).options].find((o) => o.textContent === axis.name);
      if (same) $(id).value = same.value;
    }
    if ([...$("mapof").options].some((o) => o.value === message.outcome)) $("mapof").value = message.outcome;
  },
  cells(message) {
    record.cells = message;
    $("cells").hidden = false;
    if (message.begun) $("shots").replaceChildren();
    $("progress").textContent = message.text;
    $("cellstop").hidden = Boolean(message.over);
  },
  snapshot(message) {
    const figure = document.createElement("figure");
    const image = Object.assign(document.createElement("img"), { src: message.image, alt: `${message.label}: cells, vessels and oxygen on day ${message.day}` });
    figure.append(image, Object.assign(document.createElement("figcaption"), { textContent: message.label || `day ${message.day}` }));
    $("shots").append(figure);
    record.shots = (record.shots || 0) + 1;
  },
  download(message) { status(""); download = message; },
};

function connect() {
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/socket`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => {
    if (typeof event.data !== "string") { save(download, event.data); return; }
    const message = JSON.parse(event.data);
    if (take[message.type]) take[message.type](message);
  };
  socket.onclose = () => { status("The line to tme-sim explore is closed; start it again and load this page."); };
}

function save(about, content) {
  record.downloads = [...(record.downloads || []), { name: about.name, size: content.byteLength }];
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([content])), download: about.name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function status(text) { $("status").textContent = text; }

function notice(text, note = false) {
  $("notice").hidden = !text;
  $("notice").classList.toggle("note", note);
  $("notice").querySelector("pre").textContent = text;
}

let warned = "";
function warn(warnings) {
  const alike = new Map(); // what is said of several treatments is said once, of all of them
  for (const one of warnings) {
    const at = one.indexOf(": "), what = one.slice(at + 1);
    alike.set(what, [...(alike.get(what) || []), at < 0 ? "" : one.slice(0, at)]);
  }
  const text = [...alike].map(([what, of]) => (of[0] ? `${of.join(", ")}:${what}` : what)).join("\n");
  if (text && text !== warned) notice(text, true);
  else if (!text || !$("notice").classList.contains("note")) notice("");
  warned = text;
}

function tabs() {
  for (const button of $("views").children) {
    const here = button.dataset.view === view;
    button.setAttribute("aria-selected", here);
    button.tabIndex = here ? 0 : -1;
  }
}

function choose(name) {
  view = name;
  tabs();
  figures.bandOf = null;
  say({ type: "view", view: name });
}

let tiled = "";
function tiles(endpoints, pinned) {
  const wanted = JSON.stringify([endpoints, pinned.map((p) => [p.number, p.endpoints]), banded]);
  if (wanted === tiled && !banded) return;
  tiled = wanted;
  $("endpoints").replaceChildren(...endpoints.map((one) => {
    const tile = Object.assign(document.createElement("div"), { className: "tile", title: one.about, tabIndex: 0 });
    tile.dataset.name = one.name;
    const part = (name, text) => tile.append(Object.assign(document.createElement("div"), { className: name, textContent: text }));
    part("name", one.words);
    const [number, unit] = one.text.split(" months"); // the unit is told once, small: seven tiles share a laptop's width
    part("text", number);
    if (unit !== undefined) tile.querySelector(".text").append(Object.assign(document.createElement("small"), { textContent: " months" }));
    const others = pinned.map((pin) => { const same = pin.endpoints.find((e) => e.name === one.name); return `${pin.number}: ${same ? same.text.replace(" months", "") : "–"}`; });
    part("more", others.join("   "));
    return tile;
  }));
}

function ranges(message) {
  for (const tile of $("endpoints").children) {
    const text = message.endpoints[tile.dataset.name];
    if (text) { tile.querySelector(".more").textContent = text.replace(" months", ""); tile.title = `${text} (8 of 10 of ${message.done} runs; ${record.known})`; }
  }
}

const DASHES = ["7 3", "2 3", "9 3 2 3", "1 4"];
let chips = "";
function pins(list) {
  const wanted = JSON.stringify(list.map((p) => [p.number, p.name, p.changes]));
  if (wanted === chips) return;
  chips = wanted;
  $("pins").replaceChildren(...list.map((pin) => {
    const chip = Object.assign(document.createElement("span"), { className: "pinned", title: pin.changes.length ? `Against the run shown:\n${pin.changes.join("\n")}` : "The same as the run shown" });
    const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    line.setAttribute("width", 26); line.setAttribute("height", 8);
    const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [k, v] of Object.entries({ x1: 0, x2: 26, y1: 4, y2: 4, stroke: "currentColor", "stroke-width": 1.5, "stroke-dasharray": DASHES[pin.number - 1] })) stroke.setAttribute(k, v);
    line.append(stroke);
    const button = (text, title, type) => { const b = Object.assign(document.createElement("button"), { textContent: text, title }); b.addEventListener("click", () => say({ type, number: pin.number })); return b; };
    chip.append(pin.name, line, button("Go back", "Make this run the one that is edited", "recall"), button("×", `Take pin ${pin.number} off`, "unpin"));
    return chip;
  }));
}

// --- band ---------------------------------------------------------------------------------------------------------

let timer = null;
function later() {
  clearTimeout(timer);
  timer = setTimeout(() => { if (banded && !hooks.busy()) say({ type: "band" }); }, 350);
}

function band() {
  banded = !banded;
  $("band").setAttribute("aria-pressed", banded);
  if (banded) { say({ type: "band" }); status("Band: drawing parameters"); } else { clearTimeout(timer); figures.unband(); status(""); $("bandnote").hidden = true; tiled = ""; if (record.frame) tiles(record.frame.endpoints, record.frame.pins); }
}

// --- what moved it -------------------------------------------------------------------------------------------------

function states(list) {
  if ($("state").options.length === list.length) return;
  const old = $("state").value;
  $("state").replaceChildren(...list.map((s) => Object.assign(document.createElement("option"), { value: s.name, textContent: `${s.label} (${s.name})` })));
  $("state").value = list.some((s) => s.name === old) ? old : list.some((s) => s.name === "CD8") ? "CD8" : list[0].name;
}

const GUESS = [["Suppressor cells (MDSC) in the tumour", "MDSC"], ["Suppressor cells in blood", "MDSC_blood"], ["CD8", "CD8"], ["Lesion", "viable_cells"], ["Sum of", "viable_cells"], ["VEGF in plasma", "VEGF_plasma"], ["VEGF", "VEGF"],
  ["How many vessels", "mature_vessels"], ["What flows", "mature_vessels"], ["Tumour macro", "TAM"], ["Regulatory", "Treg"], ["Dendritic", "DC"], ["Interleukin", "IL6"], ["Alpha", "AFP"], ["ENTPD2", "ENTPD2"], ["PD-L1", "PDL1"], ["Liver", "injury"]];

function brushed(span, done, panel) {
  if (span[1] - span[0] < 1) return;
  period = span;
  calendar.brush = span;
  calendar.draw();
  figures.shade(span);
  $("from").value = span[0];
  $("to").value = span[1];
  if (!done) return;
  $("explain").hidden = false;
  if (panel.title !== lastPanel) {
    const guess = GUESS.find(([start, name]) => panel.title.startsWith(start) && [...$("state").options].some((o) => o.value === name));
    if (guess) $("state").value = guess[1];
    lastPanel = panel.title;
  }
  explain();
}

function explain() {
  period = [Number($("from").value), Number($("to").value)];
  calendar.brush = period;
  calendar.draw();
  figures.shade(period);
  say({ type: "explain", state: $("state").value, start: period[0], end: period[1] });
}

function answerStale() {
  if (!$("explain").hidden) $("answer").style.opacity = 0.45;
}

function unexplain() {
  $("explain").hidden = true;
  period = null;
  calendar.brush = null;
  calendar.draw();
  figures.shade(null);
}

function answer(message) {
  record.explained = message;
  const place = $("answer");
  place.style.opacity = 1;
  const total = message.processes.reduce((sum, p) => sum + p.amount, 0);
  const text = document.createElement("p");
  text.textContent = `${message.label} changed by ${total >= 0 ? "+" : ""}${short(total)} ${message.unit} from day ${message.start} to day ${message.end}.`;
  place.replaceChildren(text, list("What happened", message.processes, message.unit), list("Why it was unlike the untreated lesion", message.factors, message.unit));
}

function list(title, rows, unit) {
  const box = document.createElement("div");
  box.append(Object.assign(document.createElement("h3"), { textContent: title }));
  const most = Math.max(...rows.map((r) => Math.abs(r.amount)), 1e-300);
  for (const row of rows) {
    const line = Object.assign(document.createElement("div"), { className: "cause" });
    line.append(Object.assign(document.createElement("span"), { className: "what", textContent: row.what, title: `${row.name}: ${row.what}` }));
    const rail = Object.assign(document.createElement("span"), { className: "rail" });
    const share = 50 * Math.abs(row.amount) / most;
    const bar = document.createElement("i");
    bar.style.cssText = `background:${row.amount >= 0 ? "#D55E00" : "#0072B2"};width:${share}%;${row.amount >= 0 ? "left:50%" : `right:50%`}`;
    rail.append(bar);
    line.append(rail, Object.assign(document.createElement("span"), { className: "much", textContent: `${row.amount >= 0 ? "+" : ""}${short(row.amount)}`, title: unit }));
    box.append(line);
  }
  return box;
}

// --- timing ---------------------------------------------------------------------------------------------------------

function fill(select, options) {
  const wanted = JSON.stringify(options);
  if (select.dataset.filled === wanted) return;
  const old = select.value;
  select.dataset.filled = wanted;
  select.replaceChildren(...options.map(([value, textContent]) => Object.assign(document.createElement("option"), { value, textContent })));
  if (options.some(([value]) => String(value) === old)) select.value = old;
}

function axes(rows) {
  const options = rows.filter((r) => r.days.length).map((r) => [r.index, r.name]);
  const first = !$("mapx").options.length;
  fill($("mapx"), options);
  fill($("mapy"), options);
  if (first && options.length > 1) {
    const drugs = rows.filter((r) => r.kind === "drug" && r.days.length);
    $("mapx").value = (drugs[drugs.length - 1] || rows[0]).index;
    $("mapy").value = (drugs.find((r) => r.index !== Number($("mapx").value)) || rows[0]).index;
  }
}

function map() {
  $("timing").hidden = false;
  status("Map: moving dates");
  say({ type: "timing", x: Number($("mapx").value), y: Number($("mapy").value), outcome: $("mapof").value });
}

function when() {
  $("timing").hidden = !$("timing").hidden;
  if ($("timing").hidden || record.timing) return;
  if (record.study) take.timing(record.study); else map();
}

// --- tools ---------------------------------------------------------------------------------------------------------

function theme(dark) {
  root.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = dark ? "Light" : "Dark";
  figures.retheme(dark);
  if (record.timing) timing.show(record.timing);
  calendar.draw();
}

$("undo").addEventListener("click", () => say({ type: "undo" }));
$("redo").addEventListener("click", () => say({ type: "redo" }));
$("pin").addEventListener("click", () => say({ type: "pin" }));
$("band").addEventListener("click", band);
$("theme").addEventListener("click", () => theme(root.dataset.theme !== "dark"));
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => {
  const [file] = $("file").files;
  if (file && file.size > 500000) notice(`${file.name} is too long for the page; use tme-sim run`);
  else if (file) say({ type: "load", name: file.name, text: await file.text() });
  $("file").value = "";
});
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(record.state.config);
    status("The config file is in the clipboard.");
  } catch {
    say({ type: "download", what: "config" });
  }
  setTimeout(() => status(""), 2500);
});
$("download").addEventListener("change", () => { say({ type: "download", what: $("download").value }); $("download").value = ""; });
$("add").addEventListener("change", () => { edit({ do: "add", what: $("add").value, day: 0 }); $("add").value = ""; });
$("cellrun").addEventListener("click", () => say({ type: "cells", on: true }));
$("cellstop").addEventListener("click", () => say({ type: "cells", on: false }));
$("cellclose").addEventListener("click", () => { $("cells").hidden = true; });
$("when").addEventListener("click", when);
$("dates").addEventListener("submit", (event) => { event.preventDefault(); map(); });
$("mapstudy").addEventListener("click", () => take.timing(record.study));
$("mapclose").addEventListener("click", () => { $("timing").hidden = true; });
$("question").addEventListener("submit", (event) => { event.preventDefault(); explain(); });
$("state").addEventListener("change", explain);
$("explainclose").addEventListener("click", unexplain);
$("notice").querySelector("button").addEventListener("click", () => notice(""));
$("views").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  const all = [...$("views").children], next = all[(all.findIndex((b) => b.dataset.view === view) + step + all.length) % all.length];
  choose(next.dataset.view);
  next.focus();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=range]), select, textarea");
  if ((event.ctrlKey || event.metaKey) && !typing && event.key.toLowerCase() === "z") { say({ type: event.shiftKey ? "redo" : "undo" }); event.preventDefault(); return; }
  if ((event.ctrlKey || event.metaKey) && !typing && event.key.toLowerCase() === "y") { say({ type: "redo" }); event.preventDefault(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "p") say({ type: "pin" });
  else if (event.key === "b") band();
  else if (event.key === "t") when();
  else if (event.key === "e") { $("explain").hidden = false; $("state").focus(); }
  else if (event.key === "Escape") { notice(""); unexplain(); }
  else return;
  event.preventDefault();
});

const darkly = window.matchMedia("(prefers-color-scheme: dark)");
theme(darkly.matches);
darkly.addEventListener("change", () => theme(darkly.matches));
connect();
