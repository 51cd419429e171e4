"""Treatments of a run, read from its events: what every time axis marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tme_sim.plots.panel import KeyItem
from tme_sim.plots.style import COLOURS

__all__ = ["PROCEDURES", "Course", "Track", "Treatments", "colour_of", "colours_of", "key_of", "origin_of",
           "treatments_of"]  # fmt: skip

PROCEDURES = {"ablation": "ablation", "sbrt": "radiotherapy", "radioembolisation": "radioembolisation"}  # in words
HOLD = 1.75  # a gap this many times the usual one is a hold, and the bar is cut


@dataclass(frozen=True)
class Course:
    """All doses of one drug: days, texts of the doses in order, and the kinetic slot ("" when it is not known)."""

    drug: str
    slot: str
    days: tuple[float, ...]
    doses: tuple[str, ...]

    @property
    def colour(self) -> str:
        """Colour of what the drug acts on."""
        return COLOURS.get(self.slot, COLOURS["other"])

    def bars(self, end: float) -> list[tuple[float, float]]:
        """Stretches on treatment (days): from a first dose to one usual interval after the last, cut at `end`."""
        gaps = [b - a for a, b in zip(self.days, self.days[1:], strict=False)]
        usual = sorted(gaps)[len(gaps) // 2] if gaps else 21.0
        out, begin = [], self.days[0]
        for day, gap in zip(self.days, [*gaps, float("inf")], strict=True):
            if gap > HOLD * usual:
                out.append((begin, min(day + usual, end)))
                begin = day + gap
        return out


@dataclass(frozen=True)
class Track:
    """One thin strip above an axis: bars (days) and points (days) in one colour; `name` tells what it stands for."""

    name: str
    colour: str
    bars: tuple[tuple[float, float], ...] = ()
    points: tuple[float, ...] = ()


@dataclass(frozen=True)
class Treatments:
    """Days of embolisation and of scans, courses of drugs in the order of their first dose, and the end of the run.

    `others` are the days of other procedures by kind (PROCEDURES).
    """

    tace: tuple[float, ...]
    scans: tuple[float, ...]
    courses: tuple[Course, ...]
    end: float
    others: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything was given."""
        return bool(self.tace or self.courses or self.others)

    def tracks(self) -> list[Track]:
        """One strip for embolisation, one per other procedure, one per drug."""
        out = [Track("tace", COLOURS["tace"], points=self.tace)] if self.tace else []
        out += [Track(kind, COLOURS[kind], points=days) for kind, days in self.others]
        return out + [Track(c.drug, c.colour, tuple(c.bars(self.end))) for c in self.courses]


def key_of(treatments: Treatments) -> list[KeyItem]:
    """What the marks and bars above the axes stand for."""
    out = [KeyItem("point", "TACE", COLOURS["tace"])] if treatments.tace else []
    out += [KeyItem("point", PROCEDURES[kind], COLOURS[kind]) for kind, _ in treatments.others]
    return out + [KeyItem("bar", c.drug, c.colour) for c in treatments.courses]


def treatments_of(run) -> Treatments:
    """The treatments of a :class:`tme_sim.results.Run`."""
    tace, scans, doses = [], [], {}
    others: dict[str, list[float]] = {}
    for event in sorted(run.events, key=lambda e: float(e["day"])):
        day = float(event["day"])
        if event["kind"] == "tace":
            tace.append(day)
        elif event["kind"] in PROCEDURES:
            others.setdefault(event["kind"], []).append(day)
        elif event["kind"] == "scan":
            scans.append(day)
        elif event["kind"] == "drug":
            drug, dose = _words(event)
            doses.setdefault(drug, []).append((day, dose, str(event.get("slot", ""))))
    slots = _slots(drug for drug, given in doses.items() if not given[0][2])
    courses = [
        Course(drug, given[0][2] or slots[drug], tuple(d for d, _, _ in given), tuple(_changes(t for _, t, _ in given)))
        for drug, given in doses.items()
    ]
    given = tuple((kind, tuple(days)) for kind, days in others.items())
    return Treatments(tuple(tace), tuple(scans), tuple(courses), float(run.time[-1]), given)


def _words(event) -> tuple[str, str]:
    """Drug and dose of an event, which says them as "durvalumab 1500 mg"."""
    what = str(event.get("what", event.get("treatment", "drug")))
    parts = what.split(" ")
    if len(parts) >= 3:
        return str(event.get("drug", " ".join(parts[:-2]))), " ".join(parts[-2:])
    return str(event.get("drug", what)), ""


def _changes(texts: Iterable[str]) -> Sequence[str]:
    """Texts without immediate repeats."""
    out: list[str] = []
    for text in texts:
        if text and (not out or out[-1] != text):
            out.append(text)
    return out


def _slots(drugs: Iterable[str]) -> dict[str, str]:
    """Kinetic slots by drug; "" for a drug that the library does not hold, as when it has changed since the run."""
    names = list(drugs)
    if not names:
        return {}
    from tme_sim.therapies.library import Library

    library, out = Library(), {}
    for name in names:
        try:
            out[name] = library.get(name).slot
        except KeyError:
            out[name] = ""
    return out


def origin_of(treatments: Treatments) -> str:
    """What day 0 is."""
    return "first TACE" if treatments.tace and treatments.tace[0] == 0 else "day 0"


def colour_of(scenario: Any, item: Any) -> str:
    """Colour of a treatment of a scenario: that of what its drug acts on, or of the procedure."""
    if item.kind != "drug":
        return COLOURS.get(item.kind, COLOURS["other"])
    return COLOURS.get(scenario.catalogue.library.get(item.drug).slot, COLOURS["other"])


def colours_of(scenario: Any) -> dict[str, str]:
    """Colours of all treatments of a scenario by name, as :func:`tme_sim.protocol.view.draw_calendar` takes them."""
    return {item.name: colour_of(scenario, item) for item in scenario.protocol.treatment}
