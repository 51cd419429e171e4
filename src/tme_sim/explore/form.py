"""The controls of the page, from the same schema as the config files: name, unit, range, source and choices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tme_sim.catalogue import Catalogue
from tme_sim.quantities import Parameter, QuantityError, convert, parse_number_or_quantity
from tme_sim.schema import scenario_schema
from tme_sim.validation import written

__all__ = ["form_of", "values_of"]

WIDE = 20.0  # a range whose ends differ by more is moved through on a logarithmic slider
# Physical bounds of a covariate go to the extremes of what can be; a slider spans what is common.  Typed values may go
# to the bounds.
COMMON = {"weight": (40.0, 120.0), "height": (145.0, 200.0), "albumin": (20.0, 50.0), "age": (18.0, 90.0),
          "alkaline_phosphatase": (30.0, 500.0), "aspartate_aminotransferase": (10.0, 400.0)}  # fmt: skip


def form_of(catalogue: Catalogue) -> dict[str, Any]:
    """Groups of controls: patient, lesion, hypotheses, arrows, parameters by mechanism, run."""
    schema = scenario_schema(catalogue)
    tables = schema["$defs"]
    patient = [
        c for name, entry in tables["Patient"]["properties"].items() if name not in catalogue.parameters
        if (c := _of_schema(["patient", name], name, entry)) is not None
    ]  # fmt: skip
    lesion = [_of_parameter(["patient", "lesion", 0, n], p) for n, p in catalogue.lesion_parameters.items()]
    seen: set[str] = set()
    groups = []
    for mechanism in catalogue.sources:
        controls = [
            _of_parameter(["parameters", p.name], p) for p in mechanism.parameters
            if p.low < p.high and p.name not in seen and not p.name.startswith("gain_")
        ]  # fmt: skip
        seen |= {p.name for p in mechanism.parameters}
        if controls:
            about = (mechanism.text or "").strip().split("\n", 1)[0]
            groups.append({"name": mechanism.name, "about": about, "controls": controls})
    hypotheses = [
        {"key": ["biology", "hypotheses", slot], "name": slot, "kind": "choice", "default": "default",
         "about": "; ".join(f"{c}: {label}" for c, label in choices.items()),
         "choices": [{"value": c, "about": label} for c, label in choices.items()]}
        for slot, choices in sorted(catalogue.hypotheses.items())
    ]  # fmt: skip
    arrows = [
        {"key": ["biology", "gains", arrow], "name": label.replace("->", "→"), "kind": "slider", "unit": "1",
         "low": 0.0, "high": 1.0, "default": 1.0, "log": False, "about": f"Arrow {arrow}: 1 as it is, 0 cut."}
        for arrow, label in catalogue.arrows.items()
    ]  # fmt: skip
    run = [
        c for table, section in (("RunSettings", "run"), ("ImagingSettings", "imaging"))
        for name, entry in tables[table]["properties"].items() if name in ("duration", "criterion", "error")
        if (c := _of_schema([section, name], name, entry)) is not None
    ]  # fmt: skip
    return {"patient": patient, "lesion": lesion, "hypotheses": hypotheses, "arrows": arrows, "parameters": groups,
            "run": run}  # fmt: skip


def _of_parameter(key: list, p: Parameter) -> dict[str, Any]:
    """A slider over the evidence for a parameter."""
    what = p.label or p.note or p.name
    unit = "" if p.unit == "1" else f" {p.unit}"
    about = (
        f"{what}. Default {p.value:g}{unit}; evidence {p.low:g} to {p.high:g}{unit} ({p.grade}). Source: {p.source}"
    )
    return {"key": key, "name": p.name, "label": what, "kind": "slider", "unit": p.unit, "low": p.low, "high": p.high,
            "default": p.value, "log": p.low > 0 and p.high / p.low > WIDE, "about": about}  # fmt: skip


def _of_schema(key: list, name: str, entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """A control of a key of the file format; None for one that a page does not offer."""
    options = [o for o in entry.get("anyOf", [entry]) if o.get("type") != "null"]
    one = {**entry, **options[0]}
    about = str(one.get("description", name)) + "."
    if "enum" in one:
        optional = "anyOf" in entry
        choices = [{"value": c, "about": str(c)} for c in one["enum"]]
        default = None if optional else entry.get("default")
        if optional:
            choices.insert(0, {"value": None, "about": "not given"})
        return {"key": key, "name": name.replace("_", " "), "kind": "choice", "default": default, "choices": choices,
                "about": about}  # fmt: skip
    unit = one.get("x-unit")
    if unit is None and name != "error":
        return None
    unit = unit or "1"
    low = one.get("x-minimum", one.get("x-exclusiveMinimum", one.get("minimum")))
    high = one.get("x-maximum", one.get("maximum"))
    bounds = f" From {low:g} to {high:g} {unit}." if low is not None and high is not None and unit != "1" else ""
    low, high = COMMON.get(name, (low, high))
    if name == "duration":
        low, high = 30.0, 1826.0
    default = _number(entry.get("default"), unit)
    given = default is not None
    if not given:  # the slider stands somewhere; nothing is given until it is moved
        default = _number(next(iter(one.get("examples", ())), None), unit) or low
        about += " Not given: the reference of each drug's own population model."
    return {"key": key, "name": name.replace("_", " "), "kind": "slider", "unit": unit, "low": low, "high": high,
            "default": default, "log": False, "about": about + bounds, "optional": not given}  # fmt: skip


def _number(value: Any, unit: str) -> float | None:
    if value is None:
        return None
    try:
        quantity = parse_number_or_quantity(value, unit, "value")
    except QuantityError:
        return None
    number = convert(quantity.value, quantity.unit, unit)
    return float(number) if math.isfinite(number) else None


def values_of(form: Mapping[str, Any], scenario: Any) -> list[dict[str, Any]]:
    """What the scenario gives for every control that is not at its default: key, number in the control's unit, text.

    A control that is not listed stands at its default.
    """
    out = []
    data = scenario.data
    groups = [form["patient"], form["run"], form["hypotheses"], form["arrows"]]
    groups += [g["controls"] for g in form["parameters"]]
    for control in (c for group in groups for c in group):
        at: Any = data
        for part in control["key"]:
            at = at.get(part) if isinstance(at, dict) else None
            if at is None:
                break
        if at is None and control["key"][0] == "parameters":  # a parameter may stand in [patient] as well
            at = data.get("patient", {}).get(control["key"][-1])
        if at is not None:
            out.append(_value(control["key"], at, control))
    for i, one in enumerate(scenario.patient.lesion):
        for control in form["lesion"]:
            given = one.parameters.get(control["key"][-1])
            if given is not None:
                out.append(_value(["patient", "lesion", i, control["key"][-1]], written(given), control))
    return out


def _value(key: list, given: Any, control: Mapping[str, Any]) -> dict[str, Any]:
    if control["kind"] == "choice":
        return {"key": key, "value": given}
    return {"key": key, "value": _number(given, control["unit"]), "text": str(given)}
