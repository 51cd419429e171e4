// Figures by BokehJS: one card per panel, redrawn in place while their curves stay the same; readout, brush, pins, band.

const B = window.Bokeh;
B.set_log_level("error");

// Before each line it draws Bokeh asks the style sheet for a colour (--bk-...).  This page sets none there, and the asking
// was a third of a frame.
const ask = CSSStyleDeclaration.prototype.getPropertyValue;
CSSStyleDeclaration.prototype.getPropertyValue = function getPropertyValue(name) {
  return name.startsWith("--bk-") ? "" : ask.call(this, name);
};

const MONTH = 30.4375;
const PIN_DASHES = [[7, 3], [2, 3], [9, 3, 2, 3], [1, 4]];

// Places that did not change are not written again, and the font of a figure is asked for once: either makes the browser
// lay out the page anew, many times in a frame.  What another version of Bokeh does not have is left alone.
let quick = false;
function quicken(view) {
  if (quick || !view) return;
  quick = true;
  const placed = [...(view.computed_renderer_views || [])].find((one) => one.position);
  const sheets = placed ? Object.getPrototypeOf(placed.position) : {}, write = sheets._update;
  if (typeof write === "function") sheets._update = function update(css) { if (this.el.textContent !== css) write.call(this, css); };
  let kind = Object.getPrototypeOf(view);
  while (kind && !Object.hasOwn(kind, "base_font_size")) kind = Object.getPrototypeOf(kind);
  const size = kind && Object.getOwnPropertyDescriptor(kind, "base_font_size").get, sizes = new WeakMap();
  if (size) Object.defineProperty(kind, "base_font_size", { get() { if (!sizes.has(this)) sizes.set(this, size.call(this)); return sizes.get(this); } });
}

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

const dashes = (list) => (list && list.length ? list.map((v) => Math.max(1, Math.round(v))).join(" ") : "solid");

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
    this.unit = MONTH;
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
    for (const card of this.cards.values()) card.view.remove();
    this.cards.clear();
    this.place.replaceChildren();
    if (this.frame) { this.show(this.frame); if (this.bandOf) this.band(this.bandOf); }
  }

  show(frame) {
    this.frame = frame;
    const days = frame.calendar.stop - frame.calendar.start;
    this.unit = days > 200 ? MONTH : 7;
    this.range(frame);
    const kept = new Map();
    frame.panels.forEach((panel, i) => {
      const pins = frame.pins.map((pin) => ({ number: pin.number, curves: (pin.panels.find((p) => p.title === panel.title) || { curves: [] }).curves, limits: (pin.panels.find((p) => p.title === panel.title) || {}).limits }));
      const shape = JSON.stringify([panel.title, panel.log, panel.unit, panel.references.map((r) => r.label), panel.curves.map((c) => [c.kind, c.label, c.colour, c.dash]),
        pins.map((p) => [p.number, p.curves.map((c) => [c.kind, c.colour])]), this.unit]);
      let card = this.cards.get(panel.title);
      if (card && card.shape !== shape) { card.view.remove(); card.element.remove(); card = null; }
      if (!card) card = this.build(panel, pins, shape);
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

  build(panel, pins, shape) {
    const ink = this.ink();
    const element = document.createElement("article");
    element.className = "card";
    const title = document.createElement("h3");
    title.textContent = panel.title;
    title.title = panel.title;
    if (panel.unit) { const small = document.createElement("small"); small.textContent = `  ${panel.unit}`; title.append(small); }
    const key = document.createElement("div");
    key.className = "key";
    const plot = document.createElement("div");
    plot.className = "plot";
    element.append(title, key, plot);
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
    const card = { shape, element, key, plot, figure, panel, curves: [], pins: [], bands: {}, log: panel.log };
    card.sessions = new B.ColumnDataSource({ data: { x: [] } });
    figure.vspan({ field: "x" }, { source: card.sessions, line_color: legible("#1A1A1A", this.dark), line_alpha: 0.35, line_width: 1, line_dash: "3 3" });
    for (const reference of panel.references) {
      figure.add_layout(new B.Span({ location: reference.value, dimension: "width", line_color: ink.text, line_alpha: 0.7, line_width: 1, line_dash: [1, 3] }));
      if (reference.label) figure.add_layout(new B.Label({ x: 3, y: reference.value, x_units: "screen", text: reference.label, text_color: ink.text, text_font_size: "10px", y_offset: 1, background_fill_color: ink.ground, background_fill_alpha: 0.75 }));
    }
    for (const pin of pins) card.pins.push(pin.curves.map((curve) => this.renderer(figure, curve, { alpha: 0.6, dash: PIN_DASHES[pin.number - 1], thin: true })));
    for (const curve of panel.curves) card.curves.push(this.renderer(figure, curve, { alpha: 1 }));
    card.cross = new B.Span({ location: 0, dimension: "height", line_color: ink.text, line_width: 1, line_dash: [2, 3], visible: false });
    card.box = new B.BoxAnnotation({ left: 0, right: 0, fill_color: ink.accent, fill_alpha: 0.14, line_color: null, visible: false });
    figure.add_layout(card.cross);
    figure.add_layout(card.box);
    this.listen(card);
    card.view = { remove() {} };
    card.ready = B.Plotting.show(figure, plot).then((view) => { card.view = Array.isArray(view) ? view[0] : view; quicken(card.view); });
    return card;
  }

  renderer(figure, curve, { alpha, dash, thin }) {
    const source = new B.ColumnDataSource({ data: { x: [], y: [], low: [] } });
    const colour = legible(curve.colour, this.dark);
    const x = { field: "x" }, y = { field: "y" };
    const line = { source, line_color: colour, line_alpha: alpha, line_width: thin ? 1.4 : curve.width, line_dash: dashes(dash || curve.dash) };
    if (curve.kind === "points") figure.scatter(x, y, { source, size: 4.5, fill_color: colour, line_color: null, fill_alpha: thin ? 0.35 : 1 });
    else if (curve.kind === "step") figure.step(x, y, "after", line);
    else if (curve.kind === "area" && !thin) figure.varea(x, { field: "low" }, y, { source, fill_color: colour, fill_alpha: 0.9 });
    else figure.line(x, y, line);
    return source;
  }

  fill(card, panel, pins, frame) {
    const unit = this.unit, cache = new Map();
    const xs = (text) => { if (!cache.has(text)) cache.set(text, decode(text).map((v) => v / unit)); return cache.get(text); };
    const range = card.figure.x_range;
    if (range.start !== this.ends.start || range.end !== this.ends.end) range.setv(this.ends);
    card.panel = panel;
    card.data = panel.curves.map((curve, i) => {
      const data = { x: xs(curve.x), y: decode(curve.y), low: curve.low ? decode(curve.low) : undefined };
      card.curves[i].data = { x: data.x, y: data.y, low: data.low || data.y };
      return data;
    });
    let [low, high] = panel.limits;
    pins.forEach((pin, k) => {
      pin.curves.forEach((curve, i) => { card.pins[k][i].data = { x: xs(curve.x), y: decode(curve.y), low: decode(curve.y) }; });
      if (pin.limits) { low = Math.min(low, pin.limits[0]); high = Math.max(high, pin.limits[1]); }
    });
    card.limits = this.steady(card, low, high);
    if (card.figure.y_range.start !== card.limits[0] || card.figure.y_range.end !== card.limits[1]) card.figure.y_range.setv({ start: card.limits[0], end: card.limits[1] });
    for (const source of Object.values(card.bands)) if (source.data.x.length) source.data = { x: [], low: [], high: [] };
    const sessions = JSON.stringify([frame.sessions, unit]);
    if (card.marked !== sessions) { card.marked = sessions; card.sessions.data = { x: frame.sessions.map((d) => d / unit) }; }
    this.legend(card);
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
      if (day === null) { if (card.cross.visible) card.cross.visible = false; this.legend(card); continue; }
      card.cross.setv({ location: day / this.unit, visible: true });
      this.legend(card, day / this.unit);
    }
  }

  shade(period) {
    for (const card of this.cards.values()) {
      if (!period) card.box.visible = false;
      else card.box.setv({ left: period[0] / this.unit, right: period[1] / this.unit, visible: true });
    }
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
        this.bandSource(card, curve.curve, kind).data = { x: card.data[curve.curve].x, low: lows, high: highs };
        if (!card.log || low > 0) { for (const v of highs) if (v > high) high = v; if (!card.log) for (const v of lows) if (v < low) low = v; }
      }
      card.figure.y_range.setv({ start: Math.max(low, least), end: Math.min(high, most) }); // the run stays readable
    }
  }

  // Made when first needed: every renderer costs time in every frame.
  bandSource(card, number, kind) {
    if (!card.bands[number]) {
      const source = new B.ColumnDataSource({ data: { x: [], low: [], high: [] } });
      card.figure.varea({ field: "x" }, { field: "low" }, { field: "high" }, { source, level: "underlay", fill_color: legible(card.panel.curves[number].colour, this.dark), fill_alpha: kind === "area" ? 0.35 : 0.2 });
      card.bands[number] = source;
    }
    return card.bands[number];
  }

  unband() {
    this.bandOf = null;
    for (const card of this.cards.values()) {
      for (const source of Object.values(card.bands)) source.data = { x: [], low: [], high: [] };
      card.figure.y_range.setv({ start: card.limits[0], end: card.limits[1] });
    }
  }
}
