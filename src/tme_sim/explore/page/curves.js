// What moves in a figure: curves, pins, bands, sessions and reference lines, on a canvas of its own over the axes.  Bokeh
// paints a figure with its axes anew for every change of a curve; here a move costs the curves alone.

const FAR = 1e5; // pixels; what lies further out is drawn there

// Where values lie on the canvas of a card; null before the axes have their place.
function scales(card) {
  const frame = card.view.frame, box = frame && frame.bbox;
  if (!box || !(box.width > 0) || !(box.height > 0)) return null;
  const { x_range: xr, y_range: yr } = card.figure, f = card.log ? Math.log : (v) => v;
  const across = box.width / (xr.end - xr.start), bottom = f(yr.start), up = box.height / (f(yr.end) - bottom), foot = box.top + box.height;
  return {
    box,
    x: (v) => box.left + (v - xr.start) * across,
    y: card.log ? (v) => (v > 0 ? Math.min(FAR, foot - (Math.log(v) - bottom) * up) : FAR) : (v) => Math.max(-FAR, Math.min(FAR, foot - (v - bottom) * up)),
  };
}

// A path through points; a value that is no number interrupts it.
function trace(pen, at, xs, ys, step) {
  pen.beginPath();
  let down = false, before = 0;
  for (let i = 0; i < xs.length; i += 1) {
    if (!Number.isFinite(ys[i])) { down = false; continue; }
    const x = at.x(xs[i]), y = at.y(ys[i]);
    if (!down) pen.moveTo(x, y);
    else { if (step) pen.lineTo(x, before); pen.lineTo(x, y); }
    down = true;
    before = y;
  }
}

// The ground between two curves.
function ground(pen, at, xs, lows, highs, colour, alpha) {
  const n = Math.min(xs.length, highs.length);
  if (!n) return;
  pen.beginPath();
  for (let i = 0; i < n; i += 1) pen.lineTo(at.x(xs[i]), at.y(highs[i]));
  for (let i = n - 1; i >= 0; i -= 1) pen.lineTo(at.x(xs[i]), at.y(lows[i]));
  pen.fillStyle = colour;
  pen.globalAlpha = alpha;
  pen.fill();
}

function line(pen, at, curve, { x, y }, { colour, alpha, width, dash }) {
  pen.globalAlpha = alpha;
  if (curve.kind === "points") {
    pen.fillStyle = colour;
    pen.beginPath();
    for (let i = 0; i < x.length; i += 1) {
      if (!Number.isFinite(y[i])) continue;
      const a = at.x(x[i]), b = at.y(y[i]);
      pen.moveTo(a + 2.4, b);
      pen.arc(a, b, 2.4, 0, 7);
    }
    pen.fill();
    return;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  trace(pen, at, x, y, curve.kind === "step");
  pen.stroke();
}

// A straight line across the frame, sharp on its pixel.
function rule(pen, x1, y1, x2, y2, { colour, alpha, dash }) {
  const sharp = (v) => Math.round(v) + 0.5;
  pen.globalAlpha = alpha;
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.setLineDash(dash);
  pen.beginPath();
  pen.moveTo(sharp(x1), sharp(y1));
  pen.lineTo(sharp(x2), sharp(y2));
  pen.stroke();
}

export function overlay(plot) {
  const canvas = document.createElement("canvas");
  canvas.className = "curves";
  plot.append(canvas);
  return canvas;
}

// Draw a card; `look` gives the colours of the page, `dashes` those of the pins by their number.
export function draw(card, look, dashes) {
  const at = scales(card), { canvas } = card;
  if (!at) return;
  const { clientWidth: wide, clientHeight: high } = card.plot, ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
  }
  const pen = canvas.getContext("2d"), { left, top, width, height } = at.box, right = left + width, foot = top + height;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.globalAlpha = 1;
  pen.clearRect(0, 0, wide, high);
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.lineJoin = "round";
  const areas = (curve) => curve.kind === "area", { curves } = card.panel;
  curves.forEach((curve, i) => { if (areas(curve)) ground(pen, at, card.data[i].x, card.data[i].low, card.data[i].y, look.colour(curve.colour), 0.9); });
  for (const band of Object.values(card.bands)) ground(pen, at, band.x, band.low, band.high, look.colour(band.colour), band.alpha);
  for (const day of card.sessions) rule(pen, at.x(day), top, at.x(day), foot, { colour: look.colour("#1A1A1A"), alpha: 0.35, dash: [3, 3] });
  for (const one of card.panel.references) rule(pen, left, at.y(one.value), right, at.y(one.value), { colour: look.text, alpha: 0.7, dash: [1, 3] });
  for (const pin of card.pins) {
    pin.curves.forEach((curve, i) => line(pen, at, areas(curve) ? { kind: "line" } : curve, pin.data[i], { colour: look.colour(curve.colour), alpha: curve.kind === "points" ? 0.35 : 0.6, width: 1.4, dash: dashes[pin.number - 1] }));
  }
  curves.forEach((curve, i) => { if (!areas(curve)) line(pen, at, curve, card.data[i], { colour: look.colour(curve.colour), alpha: 1, width: curve.width, dash: curve.dash || [] }); });
  pen.font = `10px ${look.font}`;
  for (const one of card.panel.references) {
    if (!one.label) continue;
    const y = at.y(one.value), long = pen.measureText(one.label).width;
    pen.globalAlpha = 0.75;
    pen.fillStyle = look.ground;
    pen.fillRect(left + 2, y - 13, long + 4, 12);
    pen.globalAlpha = 1;
    pen.fillStyle = look.text;
    pen.fillText(one.label, left + 4, y - 4);
  }
  pen.restore();
}

// A line at a day and the ground of a period, moved over the figure without painting it.
export function marks(plot) {
  const made = (name) => { const one = document.createElement("div"); one.className = name; one.hidden = true; plot.append(one); return one; };
  return { cross: made("at"), box: made("period") };
}

export function place(card, element, from, to = null) {
  const at = from === null ? null : scales(card);
  element.hidden = !at;
  if (!at) return;
  const inside = (v) => Math.max(at.box.left, Math.min(at.box.left + at.box.width, v)), x = inside(at.x(from));
  element.style.cssText = `left:${x}px;top:${at.box.top}px;height:${at.box.height}px${to === null ? "" : `;width:${inside(at.x(to)) - x}px`}`;
}
