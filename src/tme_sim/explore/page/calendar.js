// The calendar: rows of bars and sessions in SVG, dragged by pointer or keys.  It shows what the server says and sends
// edits; while something is dragged it is drawn where the hand is.

const NS = "http://www.w3.org/2000/svg";
const ROW = 25, TOP = 4, BOTTOM = 20, LABEL = 158, RIGHT = 12;
const MONTH = 30.4375;

// The unit of an axis over so many days: its length in days and its name.
export function unitOf(days) {
  return days > 200 ? [MONTH, "months"] : [7, "weeks"];
}

function node(name, attributes, parent, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

export class Calendar {
  constructor(svg, inspector, hooks) {
    this.svg = svg;
    this.inspector = inspector;
    this.hooks = hooks;
    this.data = null;
    this.drag = null;
    this.chosen = null;
    this.focused = null;
    this.brush = null;
    this.cross = null;
    this.pressed = null;
    svg.addEventListener("pointerdown", (e) => this.down(e));
    svg.addEventListener("pointermove", (e) => this.moved(e));
    svg.addEventListener("pointerup", (e) => this.up(e));
    svg.addEventListener("pointercancel", (e) => this.up(e));
    svg.addEventListener("keydown", (e) => this.key(e));
    svg.addEventListener("focusin", (e) => { this.focused = this.about(e.target); });
    new ResizeObserver(() => this.draw()).observe(svg.parentElement);
  }

  show(data) {
    const same = JSON.stringify(data);
    if (this.same === same) return;
    this.same = same;
    this.data = data;
    if (this.chosen !== null && this.chosen >= data.rows.length) this.choose(null);
    this.draw();
    if (this.chosen !== null && !this.inspector.contains(document.activeElement)) this.inspect();
  }

  x(day) { return LABEL + (day - this.start) / (this.stop - this.start) * this.wide; }
  day(x) { return this.start + (x - LABEL) / this.wide * (this.stop - this.start); }
  place(event) { return event.clientX - this.svg.getBoundingClientRect().left; }

  rows() {
    const drag = this.drag;
    if (!drag || !drag.moving) return this.data.rows;
    return this.data.rows.map((row) => (row.index === drag.index ? this.dragged(drag) : row));
  }

  dragged(drag) {
    const row = { ...drag.row, days: [...drag.row.days] };
    if (drag.role === "bar") { row.days = row.days.map((d) => d + drag.days); row.end += drag.days; }
    if (drag.role === "begin") { row.days[0] += drag.days; row.from = row.days[0]; row.days = row.days.filter((d) => d >= row.from); }
    if (drag.role === "end") { row.end += drag.days; row.days = row.days.filter((d) => d < row.end); }
    if (drag.role === "session") row.days[drag.number] += drag.days;
    return row;
  }

  draw() {
    if (!this.data) return;
    const rows = this.rows(), data = this.data;
    this.start = Math.min(data.start, 0) - (data.stop - data.start) * 0.012;
    this.stop = data.stop;
    const width = this.svg.parentElement.clientWidth - 20;
    this.wide = Math.max(120, width - LABEL - RIGHT);
    const height = TOP + ROW * (rows.length + 1) + BOTTOM;
    this.svg.setAttribute("height", height);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const had = this.svg.contains(document.activeElement) ? this.focused : null;
    this.svg.replaceChildren();
    this.axis(height, rows.length);
    rows.forEach((row, i) => this.row(row, TOP + ROW * i));
    this.scans(TOP + ROW * rows.length);
    if (this.brush) {
      const [a, b] = this.brush.map((d) => this.x(d));
      node("rect", { class: "brush", x: a, y: TOP, width: Math.max(0, b - a), height: height - TOP - BOTTOM, "pointer-events": "none" }, this.svg);
    }
    this.line = node("line", { class: "cross", y1: TOP, y2: height - BOTTOM, visibility: "hidden", "pointer-events": "none" }, this.svg);
    this.mark(this.cross);
    if (had) this.focus(had.index, had.number);
  }

  mark(day) {
    this.cross = day;
    if (!this.line) return;
    const seen = day !== null && day >= this.start && day <= this.stop;
    this.line.setAttribute("visibility", seen ? "visible" : "hidden");
    if (seen) { this.line.setAttribute("x1", this.x(day)); this.line.setAttribute("x2", this.x(day)); }
  }

  axis(height) {
    const days = this.data.stop - this.data.start;
    const [unit, name] = unitOf(days);
    const step = [1, 2, 3, 4, 6, 12, 24, 48].find((s) => days / unit / s <= 13) || 96;
    for (let k = Math.ceil(this.start / unit / step) * step; k * unit <= this.stop + 0.01; k += step) {
      const x = this.x(k * unit);
      node("line", { class: k ? "grid" : "zero", x1: x, x2: x, y1: TOP, y2: height - BOTTOM }, this.svg);
      node("text", { class: "tick", x, y: height - 6, "text-anchor": "middle" }, this.svg, String(k));
    }
    node("text", { class: "tick", x: LABEL - 12, y: height - 6, "text-anchor": "end" }, this.svg, name);
  }

  row(row, y) {
    const group = node("g", { class: row.index === this.chosen ? "selected" : "", "data-group": row.index }, this.svg);
    const colour = this.hooks.colour(row.colour);
    const title = this.title(row);
    const label = node("text", { x: 2, y: y + 17, "data-role": "label", "data-index": row.index, cursor: "pointer" }, group,
      row.name.length > 22 ? `${row.name.slice(0, 21)}…` : row.name);
    node("title", {}, label, title);
    const drop = node("rect", { class: "drop", x: LABEL, y, width: this.wide, height: ROW, "data-role": "row", "data-index": row.index }, group);
    node("title", {}, drop, row.train ? title : `${title}\nDouble-click to add a session`);
    if (row.train) this.bar(row, y, group, colour, title); else this.sessions(row, y, group, colour);
  }

  title(row) {
    const fields = row.fields.filter((f) => f.value).map((f) => `${f.name} ${f.value}`).join(", ");
    return `${row.name}: ${fields}${row.ruled ? "\nVisits decide about this treatment" : ""}`;
  }

  bar(row, y, group, colour, title) {
    if (!row.days.length) return;
    const first = Math.max(this.start, row.days[0]), last = Math.min(this.stop, row.end);
    if (last <= first) return;
    const a = this.x(first), b = Math.max(this.x(last), a + 3);
    const handle = node("g", { tabindex: 0, role: "button", "data-role": "bar", "data-index": row.index,
      "aria-label": `${row.name}, day ${Math.round(row.days[0])} to day ${Math.round(row.end)}; arrow keys move it` }, group);
    node("rect", { class: "bar", x: a, y: y + 4, width: b - a, height: ROW - 8, rx: 3, fill: colour }, handle);
    node("title", {}, handle, title);
    const spacing = this.x(row.every) - this.x(0);
    row.days.forEach((day, i) => {
      const gap = i + 1 < row.days.length ? row.days[i + 1] - day : 0;
      if (gap > 1.75 * row.every) node("rect", { class: "held", x: this.x(day + row.every), y: y + 4.5, width: Math.max(0, this.x(day + gap) - this.x(day + row.every)), height: ROW - 9, "pointer-events": "none" }, handle);
      if (i && spacing >= 3.5 && day <= this.stop) node("line", { class: "dose", x1: this.x(day), x2: this.x(day), y1: y + 5, y2: y + ROW - 5, "pointer-events": "none" }, handle);
    });
    const grip = { class: "grip", y: y + 3, width: 9, height: ROW - 6, fill: "transparent", "data-index": row.index };
    node("rect", { ...grip, x: a - 3, "data-role": "begin" }, handle);
    node("rect", { ...grip, x: b - 6, "data-role": "end" }, handle);
  }

  sessions(row, y, group, colour) {
    row.days.forEach((day, i) => {
      if (day > this.stop) return;
      const x = this.x(day), middle = y + ROW / 2;
      const mark = node("g", { tabindex: 0, role: "button", "data-role": "session", "data-index": row.index, "data-number": i,
        "aria-label": `${row.name}, session ${i + 1} on day ${Math.round(day)}; arrow keys move it` }, group);
      node("path", { class: "bar", d: `M${x - 7} ${middle - 7}h14l-7 14z`, fill: colour }, mark);
      node("title", {}, mark, `${row.name} ${i + 1}, day ${Math.round(day)}`);
    });
  }

  scans(y) {
    node("text", { class: "soft", x: 2, y: y + 16 }, this.svg, "scans");
    for (const day of this.data.scans) {
      const x = this.x(day);
      node("line", { class: "scan", x1: x, x2: x, y1: y + 7, y2: y + ROW - 7 }, this.svg);
    }
  }

  about(element) {
    const found = element.closest && element.closest("[data-role]");
    if (!found) return null;
    const number = found.dataset.number;
    return { role: found.dataset.role, index: Number(found.dataset.index), number: number === undefined ? null : Number(number) };
  }

  focus(index, number) {
    const choice = number === null || number === undefined ? "" : `[data-number="${number}"]`;
    const found = this.svg.querySelector(`[tabindex][data-index="${index}"]${choice}`);
    if (found) found.focus({ preventScroll: true });
  }

  down(event) {
    const about = this.about(event.target);
    if (!about || event.button !== 0) return;
    if (this.again(about, event)) { this.twice(about, event); return; }
    if (about.role === "label" || about.role === "row") { this.choose(about.index); return; }
    const row = this.data.rows[about.index];
    this.drag = { ...about, row, x: this.place(event), days: 0, moving: false, gesture: this.hooks.gesture() };
    this.svg.setPointerCapture(event.pointerId);
  }

  moved(event) {
    const drag = this.drag;
    if (!drag) { this.hooks.point(this.data && this.place(event) >= LABEL ? this.day(this.place(event)) : null); return; }
    const days = Math.round((this.place(event) - drag.x) / this.wide * (this.stop - this.start));
    if (days === drag.days && drag.moving) return;
    if (!drag.moving && Math.abs(this.place(event) - drag.x) < 3) return;
    drag.moving = true;
    drag.days = days;
    this.send(drag, drag.gesture);
    this.draw();
  }

  up(event) {
    const drag = this.drag;
    if (!drag) return;
    this.drag = null;
    if (this.svg.hasPointerCapture(event.pointerId)) this.svg.releasePointerCapture(event.pointerId);
    this.hooks.settle();
    if (!drag.moving) this.choose(drag.index); // a drag opens no fields: they would push away the figures it moves
    this.focus(drag.index, drag.number);
  }

  send(drag, gesture) {
    const { index, days, row, number } = drag;
    if (drag.role === "bar") this.hooks.edit({ do: "move", index, days }, gesture);
    if (drag.role === "begin") this.hooks.edit({ do: "begin", index, days }, gesture);
    if (drag.role === "end") this.hooks.edit({ do: "end", index, day: Math.round(row.end + days) }, gesture);
    if (drag.role === "session") this.hooks.edit({ do: "session", index, number, day: row.days[number] + days }, gesture);
  }

  // Whether this is the second press of two: the browser tells of none where a drag takes hold of the pointer.
  again(about, event) {
    const before = this.pressed, x = this.place(event);
    const same = before && before.index === about.index && before.role === about.role && event.timeStamp - before.at < 500 && Math.abs(x - before.x) < 6;
    this.pressed = same ? null : { ...about, at: event.timeStamp, x };
    return same;
  }

  twice(about, event) {
    const day = Math.round(this.day(this.place(event)));
    const row = this.data.rows[about.index];
    if (row.train && about.role !== "label" && about.role !== "row") this.split(row, day);
    else if (!row.train && about.role === "row") this.hooks.edit({ do: "add_session", index: row.index, day });
  }

  split(row, day) {
    this.hooks.edit({ do: "split", index: row.index, day, length: Math.max(28, Math.round(2 * row.every)) });
  }

  key(event) {
    const about = this.about(event.target);
    if (!about || event.ctrlKey || event.metaKey) return;
    const row = this.data.rows[about.index];
    const step = event.shiftKey ? 7 : 1;
    const days = { ArrowLeft: -step, ArrowRight: step }[event.key];
    const gesture = `key-${event.key}-${about.index}-${about.number}-${performance.now()}`;
    if (days && about.role === "bar") {
      if (event.altKey) this.hooks.edit({ do: "end", index: row.index, day: Math.round(row.end + days) }, gesture);
      else this.hooks.edit({ do: "move", index: row.index, days }, gesture);
    } else if (days && about.role === "session") {
      this.hooks.edit({ do: "session", index: row.index, number: about.number, day: row.days[about.number] + days }, gesture);
    } else if ((event.key === "[" || event.key === "]") && about.role === "bar") {
      this.hooks.edit({ do: "end", index: row.index, day: Math.round(row.end + (event.key === "]" ? 7 : -7)) }, gesture);
    } else if (event.key === "s" && about.role === "bar") {
      this.split(row, Math.round((row.days[0] + Math.min(row.end, this.data.stop)) / 2));
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (about.role === "session") this.hooks.edit({ do: "drop_session", index: row.index, number: about.number });
      else this.hooks.edit({ do: "remove", index: row.index });
    } else if (event.key === "Enter" || event.key === " ") {
      this.choose(row.index);
      const first = this.inspector.querySelector("input, select");
      if (first) first.focus();
    } else if (event.key === "Escape") {
      this.choose(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  choose(index) {
    if (this.chosen === index) return;
    this.chosen = index;
    this.inspect();
    for (const group of this.svg.querySelectorAll("[data-group]")) group.classList.toggle("selected", Number(group.dataset.group) === index);
  }

  inspect() {
    const form = this.inspector;
    form.replaceChildren();
    const row = this.chosen === null ? null : this.data.rows[this.chosen];
    form.hidden = !row;
    if (!row) return;
    const make = (tag, props, parent = form) => { const made = Object.assign(document.createElement(tag), props); parent.append(made); return made; };
    make("strong", { textContent: row.name, title: row.name });
    for (const field of row.fields) {
      const label = make("label", { textContent: field.name.replace("_", " "), title: field.about });
      let input;
      if (field.choices.length) {
        input = make("select", {}, label);
        for (const choice of field.choices) make("option", { value: choice, textContent: choice }, input);
        input.value = field.value || field.default;
      } else {
        input = make("input", { type: "text", value: field.value, className: ["start", "until", "at"].includes(field.name) ? "wide" : "", spellcheck: false, maxLength: 2000 }, label);
        if (["times"].includes(field.name)) input.className = "short";
      }
      input.name = field.name;
      input.addEventListener("change", () => this.hooks.edit({ do: "field", index: row.index, name: field.name, value: input.value }));
    }
    if (row.kind === "drug") this.holdOf(row, make);
    if (row.train) {
      const pause = make("button", { type: "button", textContent: "Split with a pause", title: "Two bars with a pause between them (S)" });
      pause.addEventListener("click", () => this.split(row, Math.round((row.days[0] + Math.min(row.end, this.data.stop)) / 2)));
    } else {
      const more = make("button", { type: "button", textContent: "Add a session" });
      more.addEventListener("click", () => this.hooks.edit({ do: "add_session", index: row.index, day: Math.round(row.days[row.days.length - 1] + 28) }));
    }
    const gone = make("button", { type: "button", textContent: "Remove" });
    gone.addEventListener("click", () => { const index = row.index; this.choose(null); this.hooks.edit({ do: "remove", index }); });
    const shut = make("button", { type: "button", textContent: "Close" });
    shut.addEventListener("click", () => this.choose(null));
    form.onsubmit = (event) => { event.preventDefault(); if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur(); };
  }

  holdOf(row, make) {
    const around = this.data.rows.find((r) => r.kind !== "drug");
    if (!around) return;
    const held = row.holds.find((h) => h.around === around.name || h.around === around.kind) || { around: around.name, before: 0, after: 0 };
    const label = make("label", { textContent: `held around ${held.around} (days before, after)`, title: "No dose from so many days before to so many after each session" });
    const pair = make("span", { className: "pair" }, label);
    const inputs = ["before", "after"].map((side) => make("input", { type: "number", min: 0, max: 365, step: 1, value: held[side], className: "short", name: `hold_${side}` }, pair));
    for (const [i, side] of ["before", "after"].entries()) inputs[i].setAttribute("aria-label", `days ${side}`);
    for (const input of inputs) input.addEventListener("change", () => this.hooks.edit({ do: "hold", index: row.index, around: held.around, before: Number(inputs[0].value), after: Number(inputs[1].value) }));
  }
}
