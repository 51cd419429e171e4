// Sliders and choices, generated from what the server says about the file format: unit, range, default and source.

const STEPS = 400;

function make(tag, props = {}, parent = null) {
  const made = Object.assign(document.createElement(tag), props);
  if (parent) parent.append(made);
  return made;
}

// A key as people read it, which may break after a dot.
function spoken(name) {
  return name.replaceAll("_", " ").replace("child pugh", "Child-Pugh").replace("ecog", "ECOG").replaceAll(".", ".\u200b");
}

function unitText(unit) {
  return unit === "1" ? "" : unit.replace("cell/mm^3", "/mm³").replace("^2", "²").replace("^3", "³").replace(/^u/, "µ");
}

export function plain(value) {
  if (!Number.isFinite(value)) return "";
  const rounded = Number(value.toPrecision(4));
  return Math.abs(rounded) >= 1e6 || (rounded !== 0 && Math.abs(rounded) < 1e-4) ? rounded.toExponential() : String(rounded);
}

export class Controls {
  constructor(place, found, search, hooks) {
    this.place = place;
    this.found = found;
    this.hooks = hooks;
    this.values = new Map();
    this.shown = new Set();
    this.lesion = 0;
    search.addEventListener("input", () => this.find(search.value));
  }

  build(form) {
    this.form = form;
    this.place.replaceChildren();
    this.group(this.place, "Patient", form.patient, true);
    this.lesions = this.group(this.place, "Lesion", form.lesion, true, (c) => ({ ...c, key: ["patient", "lesion", this.lesion, c.key[3]] }));
    this.group(this.place, "Hypotheses", form.hypotheses, true);
    this.group(this.place, "Run and imaging", form.run, false);
    this.group(this.place, "Arrows of the network", form.arrows, false);
    const all = make("details", {}, this.place);
    make("summary", { textContent: "Parameters by mechanism" }, all);
    const inner = make("div", {}, all);
    for (const one of form.parameters) this.group(inner, one.name, one.controls, false, undefined, one.about);
  }

  group(parent, name, controls, open, change = (c) => c, about = "") {
    const details = make("details", { open, title: about }, parent);
    const head = make("summary", { textContent: name }, details);
    make("small", { textContent: controls.length > 12 ? String(controls.length) : "" }, head);
    const body = make("div", {}, details);
    const fill = () => {
      for (const old of body.querySelectorAll(".control")) this.shown.delete(old.entry);
      body.replaceChildren();
      if (name === "Lesion") this.choice = this.pick(body);
      for (const control of controls) this.row(body, change(control));
    };
    if (open) fill();
    else details.addEventListener("toggle", () => { if (details.open && !body.children.length) fill(); });
    return { fill, details };
  }

  pick(body) {
    const names = this.names || [];
    if (names.length < 2) return null;
    const select = make("select", { ariaLabel: "Lesion" }, body);
    names.forEach((name, i) => make("option", { value: i, textContent: name }, select));
    select.value = this.lesion;
    select.addEventListener("change", () => { this.lesion = Number(select.value); this.lesions.fill(); });
    return select;
  }

  find(text) {
    const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    this.found.hidden = !words.length;
    this.place.hidden = Boolean(words.length);
    for (const old of this.found.querySelectorAll(".control")) this.shown.delete(old.entry);
    this.found.replaceChildren();
    if (!words.length) return;
    const form = this.form;
    const all = [...form.patient, ...form.lesion, ...form.hypotheses, ...form.run, ...form.arrows, ...form.parameters.flatMap((g) => g.controls)];
    const hits = all.filter((c) => words.every((w) => `${c.name} ${c.label || ""} ${c.about} ${c.key.join(" ")}`.toLowerCase().includes(w)));
    for (const control of hits.slice(0, 40)) this.row(this.found, control);
    make("p", { className: "hint", textContent: hits.length ? (hits.length > 40 ? `and ${hits.length - 40} more` : "") : "Nothing has this name." }, this.found);
  }

  row(parent, control) {
    const row = make("div", { className: `control ${control.kind}${control.key[1] === "gains" ? " arrow" : ""}` }, parent);
    const id = `c${Math.random().toString(36).slice(2)}`;
    make("label", { textContent: spoken(control.name), title: `${control.name}: ${control.about}`, htmlFor: id }, row);
    const entry = { control, row };
    row.entry = entry;
    if (control.kind === "choice") {
      const select = make("select", { id, title: control.about }, row);
      for (const choice of control.choices) make("option", { value: choice.value ?? "", textContent: choice.about.length > 34 ? `${choice.value}` : choice.about, title: choice.about }, select);
      select.addEventListener("change", () => this.hooks.edit({ do: "set", key: control.key, value: select.value === "" || select.value === control.default ? null : select.value }));
      entry.select = select;
    } else {
      this.slider(entry, id);
    }
    this.shown.add(entry);
    this.update(entry);
  }

  slider(entry, id) {
    const { control, row } = entry;
    const value = make("span", { className: "value" }, row);
    const back = make("button", { type: "button", textContent: "↺", title: "Back to the default", ariaLabel: `${control.name}: back to the default` }, value);
    const text = make("input", { type: "text", spellcheck: false, title: control.about, ariaLabel: `${control.name} in ${control.unit}` }, value);
    make("span", { className: "unit", textContent: unitText(control.unit), title: control.unit === "1" ? "" : control.unit }, value);
    const range = make("input", { type: "range", id, min: 0, max: STEPS, step: 1, title: control.about }, row);
    Object.assign(entry, { text, range });
    let gesture = null;
    range.addEventListener("input", () => {
      if (gesture === null) gesture = this.hooks.gesture();
      const number = this.number(control, Number(range.value));
      text.value = plain(number);
      range.setAttribute("aria-valuetext", `${plain(number)} ${control.unit === "1" ? "" : control.unit}`);
      this.hooks.edit({ do: "set", key: control.key, value: this.spell(control, plain(number)) }, gesture);
    });
    range.addEventListener("change", () => { gesture = null; this.hooks.settle(); });
    text.addEventListener("input", () => { entry.typing = true; });
    text.addEventListener("change", () => { entry.typing = false; if (text.value.trim()) this.hooks.edit({ do: "set", key: control.key, value: this.spell(control, text.value.trim()) }); else this.hooks.edit({ do: "set", key: control.key, value: null }); });
    back.addEventListener("click", () => this.hooks.edit({ do: "set", key: control.key, value: null }));
  }

  spell(control, text) {
    const number = Number(text);
    if (text === "" || !Number.isFinite(number)) return text;
    return control.unit === "1" ? number : `${text} ${control.unit}`;
  }

  number(control, step) {
    const { low, high } = control;
    return control.log ? low * (high / low) ** (step / STEPS) : low + (high - low) * step / STEPS;
  }

  step(control, number) {
    const { low, high } = control;
    const share = control.log ? Math.log(number / low) / Math.log(high / low) : (number - low) / (high - low);
    return Math.round(STEPS * Math.min(1, Math.max(0, share)));
  }

  take(values, names) {
    this.values = new Map(values.map((v) => [JSON.stringify(v.key), v]));
    const changed = JSON.stringify(names) !== JSON.stringify(this.names);
    this.names = names;
    if (changed) { if (this.lesion >= names.length) this.lesion = 0; this.lesions.fill(); }
    for (const entry of this.shown) this.update(entry);
  }

  // Only what differs is written: the browser styles and paints anew what is touched.
  update(entry) {
    const { control, row, text, range, select } = entry;
    const given = this.values.get(JSON.stringify(control.key));
    const put = (element, name, value) => { if (element[name] !== value) element[name] = value; };
    if (select) {
      put(select, "value", given ? given.value : control.default ?? "");
      row.classList.toggle("changed", Boolean(given) && given.value !== control.default);
      return;
    }
    const number = given && given.value !== null ? given.value : control.default;
    row.classList.toggle("changed", Boolean(given) && (control.optional || Math.abs(number - control.default) > 1e-9 * Math.abs(control.default)));
    row.classList.toggle("open", Boolean(control.optional) && !given);
    if (!entry.typing) put(text, "value", control.optional && !given ? "" : plain(number));
    put(text, "placeholder", control.optional ? "open" : "");
    if (document.activeElement !== range || !this.hooks.busy()) put(range, "value", String(this.step(control, number)));
    const spoken = `${plain(number)} ${control.unit === "1" ? "" : control.unit}`;
    if (range.getAttribute("aria-valuetext") !== spoken) range.setAttribute("aria-valuetext", spoken);
  }
}
