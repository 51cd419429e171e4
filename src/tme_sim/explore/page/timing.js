// The timing surface: an outcome over the first days of two treatments, with the point of the calendar on it.  A click
// moves the calendar there.

import { legible, short } from "./figures.js";

const B = window.Bokeh;
// cividis, read at nine places: dark to bright, for any colour vision
const SHADES = ["#00224E", "#1B3A6C", "#3F4F6B", "#5D656F", "#7B7B78", "#9A9374", "#BBAC68", "#DEC853", "#FEE838"];
const EMPTY = "#80808030";

const signed = (day) => String(day).replace("-", "−");

function shade(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (SHADES.length - 1), i = Math.floor(at), part = at - i;
  const mix = [1, 3, 5].map((k) => Math.round(parseInt(SHADES[i].slice(k, k + 2), 16) * (1 - part) + parseInt(SHADES[i + 1].slice(k, k + 2), 16) * part));
  return `#${mix.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
}

export class Timing {
  constructor(place, text, hooks) {
    Object.assign(this, { place, text, hooks, message: null, rows: [], key: "" });
  }

  row(axis) {
    return this.rows.find((r) => r.name === axis.name) || this.rows.find((r) => r.kind === axis.name || r.fields.some((f) => f.name === "drug" && f.value === axis.name && r.kind === "drug")) || null;
  }

  day(axis) {
    const row = this.row(axis);
    if (!row || !row.days.length) return null;
    const words = axis.relative_to.match(/^(?:first|at first) (.+)$/);
    const base = words ? this.row({ name: words[1] }) : null;
    return row.days[0] - (base && base.days.length ? base.days[0] : 0);
  }

  follow(rows) {
    this.rows = rows;
    if (this.message) this.point();
  }

  show(message) {
    this.message = message;
    const { x, y, values } = message;
    const key = JSON.stringify([x, y, message.title, this.hooks.dark()]);
    if (key !== this.key) { this.key = key; this.build(); }
    const flat = values.flat().filter((v) => v !== null);
    const low = Math.min(...flat), high = Math.max(...flat);
    const cells = { x: [], y: [], colour: [], edge: [] };
    values.forEach((column, i) => column.forEach((value, j) => {
      cells.x.push(x.days[i]);
      cells.y.push(y.days[j]);
      const share = high > low ? (value - low) / (high - low) : 0.5;
      cells.colour.push(value === null ? EMPTY : shade(message.sense > 0 ? share : 1 - share));
      cells.edge.push(message.near && message.near[i][j] ? 1 : 0);
    }));
    this.cells.data = { x: cells.x, y: cells.y, colour: cells.colour };
    const all = cells.edge.every(Boolean); // then dots tell nothing
    const near = cells.edge.map((v, k) => (v && !all ? k : -1)).filter((k) => k >= 0);
    this.near.data = { x: near.map((k) => cells.x[k]), y: near.map((k) => cells.y[k]) };
    this.orders.data = { x: message.orders.map((o) => o.x), y: message.orders.map((o) => o.y), name: message.orders.map((o) => o.name) };
    this.point();
    this.tell(low, high);
  }

  build() {
    this.place.replaceChildren();
    const { x, y } = this.message, ink = this.hooks.ink();
    const step = (axis) => axis.days[1] - axis.days[0];
    const range = (axis) => new B.Range1d({ start: axis.days[0] - step(axis) / 2, end: axis.days[axis.days.length - 1] + step(axis) / 2 });
    const figure = B.Plotting.figure({ sizing_mode: "stretch_both", toolbar_location: null, tools: [], x_range: range(x), y_range: range(y), min_border_left: 52, min_border_bottom: 40, min_border_right: 8, min_border_top: 6,
      background_fill_color: ink.ground, border_fill_color: ink.ground, outline_line_color: null });
    for (const [axis, words] of [[figure.xaxis, x.label], [figure.yaxis, y.label]]) {
      Object.assign(axis, { axis_label: words, axis_label_text_font_size: "11px", axis_label_text_font_style: "normal", axis_label_text_color: ink.text, axis_label_standoff: 4, axis_line_color: null, major_tick_line_color: ink.line, minor_tick_line_color: null, major_label_text_color: ink.text, major_label_text_font_size: "11px" });
    }
    figure.xaxis.ticker = new B.FixedTicker({ ticks: x.days.length > 10 ? x.days.filter((_, i) => i % 2 === 0) : x.days });
    figure.yaxis.ticker = new B.FixedTicker({ ticks: y.days.length > 10 ? y.days.filter((_, i) => i % 2 === 0) : y.days });
    figure.xgrid.grid_line_color = null;
    figure.ygrid.grid_line_color = null;
    this.cells = new B.ColumnDataSource({ data: { x: [], y: [], colour: [] } });
    this.near = new B.ColumnDataSource({ data: { x: [], y: [] } });
    this.orders = new B.ColumnDataSource({ data: { x: [], y: [], name: [] } });
    this.here = new B.ColumnDataSource({ data: { x: [], y: [] } });
    const size = { width: step(x), height: step(y) };
    figure.rect({ field: "x" }, { field: "y" }, size.width, size.height, { source: this.cells, fill_color: { field: "colour" }, line_color: ink.ground, line_width: 1 });
    figure.scatter({ field: "x" }, { field: "y" }, { source: this.near, size: 5, fill_color: "#ffffff", line_color: "#1a1a1a", line_width: 0.8 });
    figure.scatter({ field: "x" }, { field: "y" }, { source: this.orders, size: 13, marker: "triangle", fill_color: legible("#D55E00", false), line_color: "#ffffff", line_width: 2 });
    figure.scatter({ field: "x" }, { field: "y" }, { source: this.here, size: 20, fill_color: null, line_color: "#ffffff", line_width: 5 });
    figure.scatter({ field: "x" }, { field: "y" }, { source: this.here, size: 20, fill_color: null, line_color: "#D55E00", line_width: 2.5 });
    figure.on_event("tap", (event) => this.go(event.x, event.y));
    B.Plotting.show(figure, this.place);
  }

  point() {
    const { x, y } = this.message, a = this.day(x), b = this.day(y);
    const inside = (axis, d) => d !== null && d >= axis.days[0] && d <= axis.days[axis.days.length - 1];
    const seen = inside(x, a) && inside(y, b);
    this.here.data = seen ? { x: [a], y: [b] } : { x: [], y: [] };
    this.seen = seen ? [a, b] : null;
    this.where.textContent = seen ? `Ring: the calendar shown, day ${signed(Math.round(a))} across and day ${signed(Math.round(b))} upwards.` : "The calendar shown lies outside of this map.";
  }

  get where() {
    let found = this.text.querySelector(".where");
    if (!found) { found = Object.assign(document.createElement("p"), { className: "where" }); this.text.append(found); }
    return found;
  }

  tell(low, high) {
    const { best, outcome, about, title, done, total, orders, sense, near, values } = this.message;
    const line = (text, name = "") => Object.assign(document.createElement("p"), { className: name, textContent: text });
    const parts = [line(`${title}: ${outcome}`, "lead")], none = values.flat().filter((v) => v === null).length;
    if (about) parts.push(line(about));
    if (best) {
      const close = near.flat().filter(Boolean).length, within = "near-best (within 5 % of the best, or within its band)";
      parts.push(line(`Best: day ${signed(best.x)} across, day ${signed(best.y)} upwards (${short(best.value)}).`));
      parts.push(line(close === total ? `All ${total} are ${within}: by this outcome the dates hardly matter.` : `Dots: ${close} of ${total} are ${within}.`));
    }
    if (done < total) parts.push(line(`${done} of ${total} runs`));
    else if (none) parts.push(line(`Grey: ${none} of ${total} pairs of dates cannot be meant together, or gave no value.`));
    const scale = Object.assign(document.createElement("p"), { id: "scale" });
    const rail = document.createElement("i");
    rail.style.background = `linear-gradient(to right, ${SHADES.join(",")})`;
    scale.append(short(sense > 0 ? low : high), rail, `${short(sense > 0 ? high : low)} better`);
    parts.push(scale);
    if (orders.length) parts.push(line(`Triangles: ${orders.map((o) => `${o.name} (${signed(o.x)}, ${signed(o.y)})`).join("; ")}.`));
    parts.push(line("A click on the map moves the calendar there."));
    const where = this.where;
    this.text.replaceChildren(...parts, where);
  }

  go(px, py) {
    const { x, y } = this.message;
    const nearest = (axis, at) => axis.days.reduce((a, b) => (Math.abs(b - at) < Math.abs(a - at) ? b : a));
    const rx = this.row(x), ry = this.row(y), a = this.day(x), b = this.day(y);
    if (!rx || !ry || a === null || b === null) return;
    this.hooks.move(rx, nearest(x, px) - a, ry, nearest(y, py), y);
  }
}
