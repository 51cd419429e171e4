// One card per panel: axes by BokehJS, what moves on a canvas over them; readout, brush, pins, band.

import { unitOf } from "./calendar.js";
import { draw, marks, overlay, place } from "./curves.js";

const B = window.Bokeh;
B.set_log_level("error");

const PIN_DASHES = [[7, 3], [2, 3], [9, 3, 2, 3], [1, 4]];

export function decode(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((v) => { const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// The same hue, lightened until it stands out on a dark ground; greys change places.
export function legible(colour, dark) {
  if (!dark) return colour;
  let rgb = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  if (Math.max(...rgb) - Math.min(...rgb) < 12) rgb = rgb.map((v) => 250 - 0.7 * v); // ink becomes chalk
  while (luminance(rgb) < 0.2) rgb = rgb.map((v) => v + (255 - v) * 0.1 + 1);
  return `#${rgb.map((v) => Math.round(Math.min(255, v)).toString(16).padStart(2, "0")).join("")}`;
}

export function short(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1).replace("-", "−");
  const digits = Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(size))));
  return value.toFixed(digits).replace("-", "−");
}

function at(xs, ys, x, kind) {
  let low = 0, high = xs.length - 1;
  if (x <= xs[0]) return ys[0];
  if (x >= xs[high]) return ys[high];
  while (high - low > 1) { const mid = (low + high) >> 1; if (xs[mid] <= x) low = mid; else high = mid; }
  if (kind === "step") return ys[low];
  return ys[low] + (ys[high] - ys[low]) * (x - xs[low]) / (xs[high] - xs[low]);
}

export class Figures {
  constructor(place, hooks) {
    this.place = place;
    this.hooks = hooks;
    this.cards = new Map();
    this.dark = false;
    this.unit = 1; // days on the axis of time for one of its numbers; set by every frame
    this.ends = { start: 0, end: 1 };
    this.frame = null;
    this.bandOf = null;
  }

  ink() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(name).trim();
    return { text: get("--soft"), line: get("--line"), faint: get("--faint"), ground: get("--card"), accent: get("--accent") };
  }

  retheme(dark) {
    this.dark = dark;
    const known = new Map();
    const colour = (one) => { if (!known.has(one)) known.set(one, legible(one, dark)); return known.get(one); };
    this.look = { ...this.ink(), font: getComputedStyle(document.body).fontFamily, colour };
    for (const card of this.cards.values()) card.view.remove();
    this.cards.clear();
    this.place.replaceChildren();
    if (this.frame) { this.show(this.frame); if (this.bandOf) this.band(this.bandOf); }
  }

  show(frame) {
    this.frame = frame;
    const days = frame.calendar.stop - frame.calendar.start;
    [this.unit] = unitOf(days);
    this.range(frame);
    const kept = new Map();
    frame.panels.forEach((panel, i) => {
      const pins = frame.pins.map((pin) => {
        const { curves, limits } = pin.panels.find((p) => p.key === panel.key) || { curves: [] };
        return { number: pin.number, curves, limits };
      });
      const shape = JSON.stringify([panel.title, panel.log, panel.unit, this.unit]);
      let card = this.cards.get(panel.title);
      if (card && card.shape !== shape) { card.view.remove(); card.element.remove(); card = null; }
      if (!card) card = this.build(panel, shape);
      kept.set(panel.title, card);
      if (this.place.children[i] !== card.element) this.place.insertBefore(card.element, this.place.children[i] || null);
      this.fill(card, panel, pins, frame);
    });
    for (const [title, card] of this.cards) if (!kept.has(title)) { card.view.remove(); card.element.remove(); }
    this.cards = kept;
  }

  range(frame) {
    const start = Math.min(0, frame.calendar.start) / this.unit, stop = frame.calendar.stop / this.unit;
    this.ends = { start, end: stop };
  }

  build(panel, shape) {
    const ink = this.ink();
    const element = document.createElement("article");
    element.className = "card";
    const title = document.createElement("h3");
    title.textContent = panel.head;
    if (panel.unit) { const small = document.createElement("small"); small.textContent = `  ${panel.unit}`; title.append(small); }
    const more = document.createElement("p");
    more.className = "more";
    more.textContent = panel.more;
    const top = document.createElement("div");
    top.className = "top";
    top.title = panel.title;
    top.append(title, more);
    const key = document.createElement("div");
    key.className = "key";
    const plot = document.createElement("div");
    plot.className = "plot";
    element.append(top, key, plot);
    this.place.append(element);
    const figure = B.Plotting.figure({
      sizing_mode: "stretch_both", toolbar_location: null, tools: [], x_range: new B.Range1d(this.ends), y_axis_type: panel.log ? "log" : "linear",
      y_range: new B.Range1d({ start: panel.limits[0], end: panel.limits[1] }), min_border_left: 44, min_border_right: 8, min_border_top: 4, min_border_bottom: 20,
      background_fill_color: ink.ground, border_fill_color: ink.ground, outline_line_color: null, output_backend: "canvas",
    });
    for (const axis of [figure.xaxis, figure.yaxis]) {
      Object.assign(axis, { axis_line_color: ink.line, major_tick_line_color: ink.line, minor_tick_line_color: null, major_label_text_color: ink.text, major_label_text_font_size: "11px", major_tick_in: 0, major_tick_out: 3 });
    }
    figure.xaxis.ticker = new B.AdaptiveTicker({ mantissas: [1, 2, 3, 6, 12], base: 24, desired_num_ticks: 7, num_minor_ticks: 0 });
    figure.yaxis.ticker = panel.log ? new B.LogTicker({ desired_num_ticks: 4, num_minor_ticks: 0 }) : new B.BasicTicker({ desired_num_ticks: 4, num_minor_ticks: 0 });
    Object.assign(figure.xgrid, { grid_line_color: null });
    Object.assign(figure.ygrid, { grid_line_color: ink.faint });
    const card = { shape, element, key, plot, figure, panel, data: [], pins: [], bands: {}, sessions: [], period: null, log: panel.log };
    this.listen(card);
    card.view = { remove() {} };
    card.ready = B.Plotting.show(figure, plot).then((view) => {
      card.view = Array.isArray(view) ? view[0] : view;
      card.canvas = overlay(plot);
      Object.assign(card, marks(plot));
      for (const size of ["inner_width", "inner_height", "outer_width", "outer_height"]) figure.properties[size].change.connect(() => this.soon(card));
      this.soon(card);
    });
    return card;
  }

  // Once per frame of the browser, after the axes have taken their place in it.
  soon(card) {
    if (card.due || !card.canvas) return;
    card.due = true;
    requestAnimationFrame(() => {
      card.due = false;
      if (!card.element.isConnected) return;
      draw(card, this.look, PIN_DASHES);
      place(card, card.box, card.period ? card.period[0] / this.unit : null, card.period ? card.period[1] / this.unit : null);
    });
  }

  fill(card, panel, pins, frame) {
    const unit = this.unit, cache = new Map();
    const xs = (text) => { if (!cache.has(text)) cache.set(text, decode(text).map((v) => v / unit)); return cache.get(text); };
    const of = (curve) => ({ x: xs(curve.x), y: decode(curve.y), low: curve.low ? decode(curve.low) : undefined });
    const range = card.figure.x_range;
    if (range.start !== this.ends.start || range.end !== this.ends.end) range.setv(this.ends);
    card.panel = panel;
    card.data = panel.curves.map(of);
    let [low, high] = panel.limits;
    card.pins = pins.map((pin) => {
      if (pin.limits && (!card.log || pin.limits[0] > 0)) low = Math.min(low, pin.limits[0]); // its own axis may begin at 0
      if (pin.limits) high = Math.max(high, pin.limits[1]);
      return { ...pin, data: pin.curves.map(of) };
    });
    card.limits = this.steady(card, low, high);
    if (card.figure.y_range.start !== card.limits[0] || card.figure.y_range.end !== card.limits[1]) card.figure.y_range.setv({ start: card.limits[0], end: card.limits[1] });
    card.bands = {};
    card.sessions = frame.sessions.map((d) => d / unit);
    this.legend(card);
    this.soon(card);
  }

  // Axes that hold still while curves move a little: they are easier to compare, and quicker to draw.
  steady(card, low, high) {
    if (!card.limits) return [low, high];
    const f = card.log ? Math.log : (v) => v;
    const [a, b] = card.limits.map(f), [c, d] = [low, high].map(f), slack = 0.12 * (b - a);
    const holds = c >= a - 1e-9 * slack && d <= b + 1e-9 * slack && c - a <= slack && b - d <= slack;
    return holds ? card.limits : [low, high];
  }

  legend(card, x = null) {
    const wanted = x === null ? JSON.stringify(card.panel.curves.map((c) => [c.label, c.colour])) : null;
    if (wanted !== null && card.keyed === wanted) return;
    card.keyed = wanted;
    card.key.replaceChildren();
    card.panel.curves.forEach((curve, i) => {
      if (!curve.label || curve.kind === "points") return;
      const item = document.createElement("span");
      const swatch = document.createElement("i");
      swatch.style.cssText = `display:inline-block;width:11px;height:${curve.kind === "area" ? 8 : 3}px;border-radius:1px;background:${legible(curve.colour, this.dark)}`;
      item.append(swatch, curve.label);
      if (x !== null) {
        const data = card.data[i];
        let value = at(data.x, data.y, x, curve.kind);
        if (data.low) value -= at(data.x, data.low, x, curve.kind);
        const number = document.createElement("b");
        number.textContent = short(value);
        item.append(number);
      }
      card.key.append(item);
    });
  }

  listen(card) {
    const figure = card.figure;
    figure.on_event("mousemove", (event) => this.hooks.point(event.x * this.unit));
    figure.on_event("mouseleave", () => this.hooks.point(null));
    let from = null;
    figure.on_event("panstart", (event) => { from = event.x * this.unit; });
    figure.on_event("pan", (event) => { if (from !== null) this.hooks.brush(this.inside(from, event.x * this.unit), false, card.panel); });
    figure.on_event("panend", (event) => { if (from !== null) this.hooks.brush(this.inside(from, event.x * this.unit), true, card.panel); from = null; });
  }

  inside(a, b) {
    const { start, stop } = this.frame.calendar;
    return [Math.max(start, Math.min(a, b)), Math.min(stop, Math.max(a, b))].map(Math.round);
  }

  mark(day) {
    for (const card of this.cards.values()) {
      if (card.cross) place(card, card.cross, day === null ? null : day / this.unit);
      this.legend(card, day === null ? null : day / this.unit);
    }
  }

  shade(period) {
    for (const card of this.cards.values()) { card.period = period; this.soon(card); }
  }

  band(message) {
    this.bandOf = message;
    if (!message || message.view !== this.frame.view || message.revision !== this.frame.revision) return;
    for (const card of this.cards.values()) {
      let [low, high] = card.limits;
      const [least, most] = card.log ? [low / 30, high * 30] : [low - 2 * (high - low), high + 2 * (high - low)];
      for (const curve of message.curves.filter((c) => c.panel === card.panel.title)) {
        const kind = (card.panel.curves[curve.curve] || {}).kind, next = (card.panel.curves[curve.curve + 1] || {}).kind;
        if (!kind || kind === "points" || kind === "step" || (kind === "area" && next === "area")) continue;
        const lows = decode(curve.low), highs = decode(curve.high);
        card.bands[curve.curve] = { x: card.data[curve.curve].x, low: lows, high: highs, colour: card.panel.curves[curve.curve].colour, alpha: kind === "area" ? 0.35 : 0.2 };
        if (!card.log || low > 0) { for (const v of highs) if (v > high) high = v; if (!card.log) for (const v of lows) if (v < low) low = v; }
      }
      card.figure.y_range.setv({ start: Math.max(low, least), end: Math.min(high, most) }); // the run stays readable
      this.soon(card);
    }
  }

  unband() {
    this.bandOf = null;
    for (const card of this.cards.values()) {
      card.bands = {};
      this.soon(card);
      card.figure.y_range.setv({ start: card.limits[0], end: card.limits[1] });
    }
  }
}
