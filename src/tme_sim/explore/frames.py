"""What the page draws of a run: panels as the figures of a run have them, endpoints, and the calendar.

Curves travel as little-endian 32-bit floats in base64, so that a frame is small and quickly read.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tme_sim import record
from tme_sim.definitions import DAYS_PER_MONTH, definition_of
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.explore.models import Models
from tme_sim.outcome import Outcome
from tme_sim.plan import Plan, plan_of
from tme_sim.plots.figures import FIGURES
from tme_sim.plots.panel import Panel, axis_limits
from tme_sim.plots.treatments import colour_of, treatments_of
from tme_sim.protocol.calendar import PROCEDURES
from tme_sim.quantities import convert
from tme_sim.results import Run
from tme_sim.simulation import run_plan

__all__ = ["OVERVIEW", "VIEWS", "calendar_of", "compute", "endpoints_of", "panels_of", "plan_for", "run_of"]

LONG = 40  # characters of a title from which it takes two lines
POINTS = 400  # of a curve on the page; a laptop's panel is narrower than that

# What a first look needs: title of a panel, and the name of its figure.
OVERVIEW = (
    ("calendar_and_lesion", "Lesion volume by what its tissue is"),
    ("calendar_and_lesion", "Sum of"),
    ("oxygen_hif_vegf_vessels", "What flows"),
    ("mdsc_and_suppression", "Suppressor cells (MDSC) in the tumour"),
    ("priming_and_tcells", "CD8 in the tumour"),
    ("liver_and_markers", "Liver function"),
)
VIEWS = {
    "overview": "Overview",
    "calendar_and_lesion": "Lesion",
    "oxygen_hif_vegf_vessels": "Oxygen and vessels",
    "mdsc_and_suppression": "Suppression",
    "priming_and_tcells": "T cells",
    "drugs": "Drugs",
    "liver_and_markers": "Liver and fate",
}
ENDPOINTS = (
    ("best_response_mrecist", "best by mRECIST"), ("best_response_recist11", "best by RECIST 1.1"),
    ("depth", "depth of response"), ("pfs", "progression-free"), ("os", "survival"), ("albi_d90", "ALBI on day 90"),
    ("n_tace", "TACE sessions"),
)  # fmt: skip


def compute(scenario: Any, models: Models, *, every: int | None = None) -> tuple[Outcome, Run]:
    """Run a scenario for the page; `every` ticks between kept values, by default what the page can show.

    Raises:
        InputError, NetworkError, BaselineError, SimulationError: as :func:`tme_sim.simulation.run_plan`.
    """
    plan = plan_for(scenario)
    every = every or spacing(plan)
    plan = replace(plan, every=every, start=plan.start // every * every)
    outcome = run_plan(plan, ready=models.set_up(plan))
    return outcome, run_of(outcome, scenario)


def plan_for(scenario: Any) -> Plan:
    """The plan of a scenario for the page, which always follows at the fidelity "density".

    Raises:
        InputError: as :func:`tme_sim.plan.plan_of`.
    """
    return replace(plan_of(scenario), piece=None)


def spacing(plan: Plan) -> int:
    """Ticks between the values that the page keeps of a plan."""
    return max(plan.every, -(-(plan.stop - plan.start) // (POINTS * TICKS_PER_DAY)) * TICKS_PER_DAY)


def run_of(outcome: Outcome, scenario: Any) -> Run:
    """The record of a run with as much about its making as the figures need."""
    time, columns, units, labels = record.columns_of(outcome, ())
    floor = outcome.parameters["volume_floor"]
    manifest = {
        "scenario": {"name": scenario.name},
        "sources": [{"name": floor.name, "value": floor.value, "unit": floor.unit}],
    }
    names = "".join(f'[[patient.lesion]]\nname = "{one.name}"\n' for one in scenario.patient.lesion)
    return Run(time, columns, units, labels=labels, events=outcome.events, summary=outcome.endpoints,
               manifest=manifest, scenario_text=names)  # fmt: skip


# --- panels ------------------------------------------------------------------------------------------------------


def panels_of(run: Run, view: str) -> list[Panel]:
    """The panels of a view; those without curves are left out.

    Raises:
        KeyError: no such view.
    """
    treatments = treatments_of(run)
    if view != "overview":
        (figure,) = [f for f in FIGURES if f.name == view] or [None]
        if figure is None:
            raise KeyError(view)
        return [p for p in figure.panels(run, treatments) if p.lines or p.areas]
    made = {f.name: f.panels(run, treatments) for f in FIGURES if f.name in {name for name, _ in OVERVIEW}}
    out = []
    for name, title in OVERVIEW:
        out += [p for p in made[name] if p.title.startswith(title) and (p.lines or p.areas)][:1]
    return out


def shown(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Panels as the page draws them."""
    times: dict[int, str] = {}

    def of_time(values: np.ndarray) -> str:
        """Times in base64, encoded once for each array."""
        return times.setdefault(id(values), encoded(values))

    out = []
    for panel in panels:
        log, limits = axis_limits(panel)
        curves = []
        base = 0.0
        for area in panel.areas:
            top = base + np.asarray(area.values)
            curves.append({"kind": "area", "label": area.label, "colour": area.colour, "x": of_time(area.time),
                           "low": encoded(np.broadcast_to(base, top.shape)), "y": encoded(top)})  # fmt: skip
            base = top
        for line in panel.lines:
            curves.append({
                "kind": "points" if line.marker else "step" if line.step else "line", "label": line.label,
                "colour": line.colour, "dash": _dash(line.style), "width": 1.5 * line.width, "x": of_time(line.time),
                "y": encoded(line.values),
            })  # fmt: skip
        out.append({
            "title": panel.title, "key": key_of(panel.title), **heading(panel.title),
            "unit": panel.unit, "log": bool(log),
            "limits": [float(v) for v in limits], "curves": curves,
            "references": [{"value": r.value, "label": r.label} for r in panel.references
                           if limits[0] <= r.value <= limits[1]],
        })  # fmt: skip
    return out


def key_of(title: str) -> str:
    """What a title says of every run: not since which day, nor of how many lesions, so that pins find their figure."""
    return re.split(r", | \(|: all ", title.replace("the targets' ", ""))[0]


def heading(title: str) -> dict[str, str]:
    """A title as a card says it: what it is, and in a second line, if the title is long, what to know of it."""
    head, *more = re.split(r": |, | \((?=[^()]*\)$)", title, maxsplit=1) if len(title) > LONG else [title]
    told = more[0].removeprefix("and ") if more else ""
    return {"head": head, "more": told[:-1] if told.count(")") > told.count("(") else told}


def encoded(values: Any) -> str:
    """Numbers as 32-bit floats in base64."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def _dash(style: Any) -> list[float]:
    if isinstance(style, tuple):
        return [2.0 * v for v in style[1]]
    return [] if style == "-" else [4.0, 2.0]


def stacked(panels: Iterable[Panel]) -> dict[tuple[str, int], np.ndarray]:
    """Curves by title of their panel and number, areas as they are stacked, for what is drawn around them."""
    out = {}
    for panel in panels:
        base: Any = 0.0
        number = 0
        for area in panel.areas:
            base = base + np.asarray(area.values)
            out[panel.title, number] = base
            number += 1
        for line in panel.lines:
            out[panel.title, number] = np.asarray(line.values)
            number += 1
    return out


def states_of(run: Run, model: Any) -> list[dict[str, str]]:
    """The states that a change can be explained of: name and label."""
    species = {s.name: s.label for s in model.network.species}
    return [{"name": n, "label": species[n]} for n in species if n in run]


# --- endpoints ---------------------------------------------------------------------------------------------------


def endpoints_of(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The headline endpoints: name, words, value as text and number, definition."""
    out = []
    for name, words in ENDPOINTS:
        value = summary.get(name)
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        found = definition_of(name)
        number = float(value) if isinstance(value, (int, float)) else None
        out.append({"name": name, "words": words, "text": told(name, value, summary), "value": number,
                    "about": f"{found.text} [{found.unit}]" if found else ""})  # fmt: skip
    return out


def told(name: str, value: Any, summary: Mapping[str, Any]) -> str:
    """An endpoint as a tile says it."""
    if not isinstance(value, (int, float)):
        return str(value) or "none"
    if name == "depth":
        return f"{100 * value:+.0f} %".replace("-", "\N{MINUS SIGN}")
    if name in ("pfs", "os", "ttp"):
        months = f"{value / DAYS_PER_MONTH:.1f} months"
        return months if summary.get(f"{name}_event") else f"> {months}"
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


# --- calendar ----------------------------------------------------------------------------------------------------


FIELDS = ("start", "every", "times", "until", "at", "dose", "regimen", "infusion", "technique", "selectivity",
          "endpoint", "drug", "drug_load", "targets")  # fmt: skip


def calendar_of(scenario: Any, events: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Rows of the calendar: each treatment with its dates, ends and the keys of its table as the file spells them.

    `events` of a run give the dates of treatments that visits decide about; without a run their plan stands.
    """
    raw = scenario.data.get("protocol", {}).get("treatment", [])
    given: dict[str, list[float]] = {}
    for event in events:
        given.setdefault(str(event.get("treatment", "")), []).append(float(event["day"]))
    ruled = {track.name for track in scenario.calendar.tracks}
    planned: dict[str, list[float]] = {}
    looks: list[float] = []
    for entry in scenario.calendar.all:
        planned.setdefault(entry.treatment, []).append(entry.day)
        if entry.kind == "scan":
            looks.append(entry.day)
    rows = []
    for i, item in enumerate(scenario.protocol.treatment):
        decided = item.name in ruled
        days = given.get(item.name, []) if decided and events else planned.get(item.name, [])
        every = _interval(days)
        train = item.at is None and (item.every is not None or item.spaced_elsewhere)
        rows.append({
            "index": i, "name": item.name, "kind": item.kind, "colour": colour_of(scenario, item),
            "days": [round(d, 4) for d in days], "train": train and item.kind not in PROCEDURES, "every": every,
            "ruled": decided, "end": (days[-1] + every if train else days[-1] + 1.0) if days else None,
            "fields": _fields(item, raw[i]), "holds": _holds(item),
        })  # fmt: skip
    stop = scenario.stop_tick / TICKS_PER_DAY
    return {"start": scenario.calendar.first_tick / TICKS_PER_DAY, "stop": stop, "rows": rows,
            "scans": [round(d, 3) for d in looks if d <= stop]}  # fmt: skip


def _interval(days: Sequence[float]) -> float:
    gaps = sorted(b - a for a, b in zip(days, days[1:], strict=False))
    return gaps[len(gaps) // 2] if gaps else 21.0


def _fields(item: Any, raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Keys of a treatment that a hand may type into, with what they mean."""
    out = []
    for name in FIELDS:
        field = type(item).model_fields.get(name)
        if field is None or (name in ("regimen", "infusion", "targets", "at") and name not in raw):
            continue
        value = raw.get(name, "")
        if isinstance(value, dict):
            value = str(getattr(item, name))
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        choices = _choices(field.annotation)
        default = field.default if isinstance(field.default, str) else ""
        about = field.description or {"dose": "dose: flat, by body weight or by body surface"}.get(name, name)
        out.append({"name": name, "value": text, "about": about, "choices": choices, "default": default})
    return out


def _choices(annotation: Any) -> list[str]:
    from typing import Literal, get_args, get_origin

    return [str(a) for a in get_args(annotation)] if get_origin(annotation) is Literal else []


def _holds(item: Any) -> list[dict[str, Any]]:
    return [
        {"around": h.around, "before": float(convert(*h.before, "day")), "after": float(convert(*h.after, "day"))}
        for h in getattr(item, "hold", ())
    ]


