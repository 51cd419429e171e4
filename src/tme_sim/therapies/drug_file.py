"""Strict reading of drug files: which keys a table may hold, in which dimension, and how an error is told.

Only data and the checks on it live here; what a drug *is* stands in :mod:`tme_sim.therapies.library`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tme_sim.diagnostics import Places, near
from tme_sim.quantities import GRADES, Parameter, QuantityError, convert, parse_number_or_quantity, same_dimension

SLOTS = {"vegf_trap": "trap", "kinase_inhibitor": "tki", "pd1_axis": "pd1", "ctla4": "ctla4", "cytotoxic": "chemo"}
PLACES = {role: (slot,) for role, slot in SLOTS.items()} | {"cytotoxic": ("chemo", "chemo2")}  # as FOLFOX needs two
KINDS = ("antibody", "small molecule")
ROUTES = ("intravenous", "oral", "intra_arterial")
DOSE_ROUTES = ("intravenous", "oral", "hepatic_artery")
FORMS = {"power": "exponent", "factor": "factor", "factor_above": "factor", "factor_below": "factor", "shift": "shift"}

# key -> (example unit of the right dimension, lowest value allowed, highest value allowed)
DISPOSITION = {
    "CL": ("L/day", 0.0, math.inf),
    "V1": ("L", 0.0, math.inf),
    "Q1": ("L/day", 0.0, math.inf),
    "V2": ("L", 0.0, math.inf),
    "Q2": ("L/day", 0.0, math.inf),
    "V3": ("L", 0.0, math.inf),
    "Vmax": ("mg/day", 0.0, math.inf),
    "Km": ("mg/L", 0.0, math.inf),
    "ka": ("1/day", 0.0, math.inf),
    "F": ("1", 0.0, 1.0),
    "moiety_share": ("1", 0.0, 1.0),
    "zero_order_duration": ("h", 0.0, math.inf),
    "zero_order_share": ("1", 0.0, 1.0),
}
TIME_VARYING = {"Emax": ("1", -3.0, 3.0), "T50": ("day", 0.0, math.inf), "hill": ("1", 0.0, 20.0)}
BINDING = {
    "affinity": ("nM", 0.0, math.inf),
    "affinity_in_vitro": ("nM", 0.0, math.inf),
    "signalling_ic50": ("nM", 0.0, math.inf),
    "engagement_ec50": ("mg/L", 0.0, math.inf),
    "free_fraction": ("1", 0.0, 1.0),
}
EFFECT = {
    "vegf_trap": {"maximal_vegf_block": ("1", 0.0, 1.0)},
    "kinase_inhibitor": {
        "maximal_vegf_block": ("1", 0.0, 1.0),
        "direct_growth_maximum": ("1", 0.0, 1.0),
        "direct_growth_ic50": ("nM", 0.0, math.inf),
    },
    "pd1_axis": {"maximal_occupancy": ("1", 0.0, 1.0)},
    "ctla4": {"maximal_occupancy": ("1", 0.0, 1.0), "regulatory_depletion": ("1", 0.0, 1.0)},
    "cytotoxic": {
        "kill_ic50": ("nM", 0.0, math.inf),
        "kill_hill": ("1", 0.0, 10.0),
        "kill_maximum": ("1/day", 0.0, math.inf),
        "hypoxia_resistance": ("1", 1.0, math.inf),
        "immunogenic_share": ("1", 0.0, 1.0),
    },
}
OPTIONAL_EFFECT = frozenset({"hypoxia_resistance", "regulatory_depletion"})
REQUIRED_BINDING = {
    "vegf_trap": ("affinity",),
    "kinase_inhibitor": ("free_fraction", "signalling_ic50"),
    "pd1_axis": ("affinity",),
    "ctla4": ("affinity",),
    "cytotoxic": (),
}
REGIONAL = {"hepatic_extraction": ("1", 0.0, 1.0), "regional_gain": ("1", 1.0, math.inf)}
DEPOT = {
    "burst_share": ("1", 0.0, 1.0),
    "burst_half_time": ("h", 0.0, math.inf),
    "slow_half_time": ("day", 0.0, math.inf),
    "tissue_concentration": ("uM", 0.0, math.inf),
}
# covariate -> unit of a continuous one, or the levels of a categorical one (None: any text)
COVARIATES: Mapping[str, str | tuple[str, ...] | None] = {
    "weight": "kg",
    "albumin": "g/L",
    "alkaline_phosphatase": "U/L",
    "aspartate_aminotransferase": "U/L",
    "tumour_burden": "mm",
    "sex": ("female", "male"),
    "child_pugh": ("A", "B", "C"),
    "ecog": ("0", "1"),
    "line": ("first", "later"),
    "partner": None,
}
QUANTITIES = {
    "half_life": "day",
    "half_life_between": "day",
    "clearance": "L/day",
    "steady_volume": "L",
    "peak": "mg/L",
    "trough": "mg/L",
    "auc": "mg*day/L",
    "accumulation_peak": "1",
    "accumulation_trough": "1",
    "accumulation_auc": "1",
}
MULTIPLE_DOSES = ("peak", "trough", "auc", "accumulation_peak", "accumulation_trough", "accumulation_auc")


class DrugFileError(ValueError):
    """A drug file that cannot be used.

    The message reads ``file:line: [key] problem; repair``; its parts are kept as attributes.  `others` are further
    mistakes of the same file, each with a line of its own in the message.
    """

    others: tuple[DrugFileError, ...] = ()

    def __init__(self, file: str, key: str, problem: str, repair: str, line: int = 0) -> None:
        """Compose the message from its parts (plain text); `key` counts its lists from 0, the message from 1."""
        self.file, self.problem, self.repair, self.line = file, problem, repair, line
        self.key = re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", key)
        super().__init__(f"{self.place}: [{self.key}] {problem}; {repair}")

    def __str__(self) -> str:
        return "\n".join(str(error.args[0]) for error in self.all)

    @property
    def all(self) -> tuple[DrugFileError, ...]:
        """This mistake and the others of the file."""
        return (self, *self.others)

    @property
    def place(self) -> str:
        """``file:line``, or the file where no line is known."""
        return f"{self.file}:{self.line}" if self.line else self.file


def joined(errors: Sequence[DrugFileError]) -> DrugFileError:
    """One error that tells of several from top to bottom, the first of them with its place and parts."""
    flat = sorted(dict.fromkeys(one for error in errors for one in error.all), key=lambda one: one.line)
    for one in flat:
        one.others = ()
    flat[0].others = tuple(flat[1:])
    return flat[0]


def line_of(place: str) -> int:
    """The line of a place ``file:line``; 0 where none is known."""
    line = place.rpartition(":")[2]
    return int(line) if line.isdigit() else 0


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a repair that names the nearest of `known` to `word`, or all of them when none is near."""
    known = sorted(known)
    close = near(word, known)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"


@dataclass
class Reader:
    """Reads tables of one drug file and raises :class:`DrugFileError` with the place and the repair.

    `file` is shown in messages; `sources` maps the short keys of the file to full citations; `places` knows lines.
    `found` are mistakes after which reading goes on, so that all of a file are told at once.
    """

    file: str
    sources: Mapping[str, str] = field(default_factory=dict)
    places: Places | None = None
    found: list[DrugFileError] = field(default_factory=list)

    def part(self, work: Callable[..., Any], *given: Any) -> Any:
        """What `work` reads of what is `given`, or None after noting its mistakes in `found`."""
        try:
            return work(*given)
        except DrugFileError as error:
            self.found.extend(error.all)
            return None

    def fail(self, key: str, problem: str, repair: str) -> DrugFileError:
        """Return the error to raise for `key`, at the line where it stands."""
        parts = tuple(int(p) if p.isdigit() else p for p in re.findall(r"[^.\[\]]+", key))
        if self.places and (*parts, 0) in self.places.lines:
            parts = (*parts, 0)  # a list of tables stands where its first one does
        return DrugFileError(self.file, key, problem, repair, line_of(self.places.place(parts)) if self.places else 0)

    def table(self, raw: Any, key: str, allowed: Iterable[str], required: Iterable[str] = ()) -> dict[str, Any]:
        """Return `raw` as a table of the keys `allowed`; notes unknown keys, raises on a non-table or a missing key."""
        if not isinstance(raw, dict):
            raise self.fail(key, "is not a table", "write it as a table of keys")
        allowed = tuple(allowed)
        place = f"{key}." if key else ""
        unknown = [self.fail(place + n, "is not a known key", nearest(n, allowed)) for n in raw if n not in allowed]
        missing = [self.fail(place + n, "is missing", f"add {n} = ...") for n in required if n not in raw]
        if missing:
            raise joined([*unknown, *missing])
        self.found.extend(unknown)
        return {name: value for name, value in raw.items() if name in allowed}

    def tables(self, raw: Any, key: str) -> list[Any]:
        """Return `raw` as an array of tables; raises when it is a single table or something else."""
        if not isinstance(raw, list):
            raise self.fail(key, "is not an array of tables", f"write [[{key}]] instead of [{key}]")
        return raw

    def text(self, raw: Any, key: str) -> str:
        """Return a non-empty text; raises for anything else."""
        if not isinstance(raw, str) or not raw.strip():
            raise self.fail(key, "is not a text", "write it in quotation marks")
        return raw.strip()

    def texts(self, raw: Any, key: str) -> tuple[str, ...]:
        """Return an array of texts as a tuple; raises for anything else."""
        if not isinstance(raw, list):
            raise self.fail(key, "is not an array of texts", 'write ["...", "..."]')
        return tuple(self.text(item, f"{key}[{i}]") for i, item in enumerate(raw))

    def choice(self, raw: Any, key: str, known: Iterable[str]) -> str:
        """Return `raw` when it is one of `known`; raises naming the nearest."""
        word = self.text(raw, key)
        known = tuple(known)
        if word not in known:
            raise self.fail(key, f"'{word}' is not known", nearest(word, known))
        return word

    def count(self, raw: Any, key: str) -> int:
        """Return a whole number of at least 1; raises for anything else."""
        if isinstance(raw, bool) or not isinstance(raw, int) or raw < 1:
            raise self.fail(key, f"{raw!r} is not a whole number of at least 1", "write a positive whole number")
        return raw

    def quantity(self, raw: Any, key: str, unit: str) -> float:
        """Return a quantity string (``"70 kg"``) in internal units; raises when its dimension is not that of `unit`."""
        text = self.text(raw, key)
        try:
            return float(parse_number_or_quantity(text, unit, key).internal)
        except QuantityError as error:
            raise self.fail(key, str(error), f"write a quantity in a unit like {unit}") from error

    def grade(self, raw: Any, key: str) -> str:
        """Return a grade of evidence; raises for an unknown one."""
        return self.choice(raw, key, GRADES)

    def source(self, raw: Any, key: str) -> str:
        """Return the full citation of a short source key; raises for a key that [sources] lacks."""
        word = self.text(raw, key)
        if word not in self.sources:
            raise self.fail(key, f"'{word}' is not in [sources]", nearest(word, self.sources))
        return self.sources[word]

    def value(self, raw: Any, key: str, rule: Sequence[Any]) -> Parameter:
        """Return a value table as a parameter in the unit it was written in, named ``drug.key``.

        `rule` is (unit of the right dimension, lowest, highest), the limits in that unit.  A value without a range gets
        a range of no width.  Raises for a missing or unknown key, a wrong dimension, a value outside the limits or
        outside its own low-high range, an unknown source or grade.
        """
        unit, lowest, highest = rule
        table = self.table(
            raw, key, ("value", "unit", "low", "high", "source", "grade", "note"), ("value", "unit", "source", "grade")
        )
        written = self.text(table["unit"], f"{key}.unit")
        numbers = {}
        for name in ("value", "low", "high"):
            number = table.get(name)
            if number is None:
                continue
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                raise self.fail(f"{key}.{name}", f"{number!r} is not a finite number", "write a number")
            numbers[name] = float(number)
        if ("low" in numbers) != ("high" in numbers):
            raise self.fail(key, "has only one end of its range", "give both low and high, or neither")
        if "low" in numbers and not numbers["low"] <= numbers["value"] <= numbers["high"]:
            raise self.fail(
                key,
                f"value {numbers['value']:g} is not between low {numbers['low']:g} and high {numbers['high']:g}",
                "correct the three numbers",
            )
        try:
            fits = same_dimension(written, unit)
        except QuantityError as error:
            raise self.fail(f"{key}.unit", str(error), f"write a unit like {unit}") from error
        if not fits:
            raise self.fail(f"{key}.unit", f"'{written}' has another dimension", f"write a unit like {unit}")
        for name, number in numbers.items():
            if not lowest <= convert(number, written, unit) <= highest:
                raise self.fail(
                    f"{key}.{name}",
                    f"{number:g} {written} is outside {lowest:g} to {highest:g} {unit}",
                    "correct the number or its unit",
                )
        return Parameter(
            name=f"{self.file.removesuffix('.toml')}.{key}",
            value=numbers["value"],
            unit=written,
            source=self.source(table["source"], f"{key}.source"),
            grade=self.grade(table["grade"], f"{key}.grade"),
            low=numbers.get("low", numbers["value"]),
            high=numbers.get("high", numbers["value"]),
            note=self.text(table["note"], f"{key}.note") if "note" in table else "",
        )

    def values(
        self, raw: Any, key: str, rules: Mapping[str, Sequence[Any]], required: Iterable[str] = ()
    ) -> dict[str, Parameter]:
        """Return every value table of `raw`, checked against `rules`; raises like :meth:`value`, of all at once."""
        table, wrong, out = self.table(raw, key, rules, required), [], {}
        for name, item in table.items():
            try:
                out[name] = self.value(item, f"{key}.{name}", rules[name])
            except DrugFileError as error:
                wrong.append(error)
        if wrong:
            raise joined(wrong)
        return out
