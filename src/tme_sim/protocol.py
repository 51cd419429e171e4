"""Treatments as data: procedures, drugs and scans with dates that are fixed, relative, repeated or held.

A date is a text: ``"day 7"``, ``"14 day after last tace"``, ``"2 day before first bevacizumab"``, ``"first tace"``, or
a table ``{ after = "last tace", offset = "14 day" }``.  What follows `first`, `last` or `2nd` is the name of a
treatment, a drug or a kind of procedure.  Day 0 is that of the scenario, by habit the first TACE.  Dates are whole
minutes.  `until` is exclusive: a dose that would fall on it is not given.

`tme_sim.schedule.resolve` turns a protocol into dated entries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from tme_sim.diagnostics import Key, known_key, nearest, plain, quoted
from tme_sim.quantities import NONE, Quantity, QuantityError, convert, dimensions, parse_quantity
from tme_sim.validation import NAME_PATTERN, Model, Problems, check_table, measured, written

__all__ = [
    "TICKS_PER_DAY",
    "Dose",
    "DrugTreatment",
    "Hold",
    "Loading",
    "Protocol",
    "Scan",
    "Tace",
    "When",
    "read_protocol",
]

TICKS_PER_DAY = 1440
FARTHEST_DAY = 36_525.0
MAX_TREATMENTS = 200
_MASS = (0, 0, 1, 0, 0, 0)
_MASS_PER_AREA = (0, -2, 1, 0, 0, 0)


def to_ticks(quantity: Quantity, what: str) -> int:
    """A time as whole minutes.

    Raises:
        QuantityError: not a time, not whole minutes, or farther than a hundred years.
    """
    days = convert(quantity.value, quantity.unit, "day")
    if abs(days) > FARTHEST_DAY:
        raise QuantityError(f"{what} lies more than a hundred years away")
    ticks = round(days * TICKS_PER_DAY)
    if abs(ticks - days * TICKS_PER_DAY) > 1e-6 * max(1.0, abs(ticks)):
        raise QuantityError(f"{what} must be whole minutes, not {quantity}")
    return ticks


@dataclass(frozen=True)
class When:
    """A date: `offset` ticks after day 0, or after the first, last or n-th entry of what `anchor` names."""

    offset: int
    anchor: str = ""
    which: int = 0  # 1 = first, 2 = second ..., -1 = last; 0 = a fixed date
    text: str = ""

    def __str__(self) -> str:
        return self.text


_WHICH = r"(?P<which>first|last|[1-9]\d{0,2}(?:st|nd|rd|th))"
_FIXED = re.compile(r"day\s+(?P<day>[+-]?\d{1,6}(?:\.\d{1,6})?)", re.ASCII)
_RELATIVE = re.compile(
    rf"(?:(?P<offset>\S.{{0,30}}?)\s+(?P<side>after|before)\s+|(?:at|with)\s+)?{_WHICH}\s+(?P<name>\S.*)"
)
_UNSAID = re.compile(r"(?P<offset>\S.{0,30}?)\s+(?P<side>after|before)\s+(?P<name>\S.*)")
_DATE_HELP = 'write a date like "day 7", "14 day after last tace" or "first bevacizumab"'


def parse_when(value: Any) -> When:
    """Read a date from text or table.

    Raises:
        QuantityError: not a date; with what may be written.
    """
    if isinstance(value, When):
        return value
    if isinstance(value, dict):
        return _when_of_table(value)
    if isinstance(value, bool) or not isinstance(value, str):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6:
            raise QuantityError(f'a date needs words: write "day {value:g}"')
        raise QuantityError(f"is not a date; {_DATE_HELP}")
    text = " ".join(value.split())
    if len(text) > 120:
        raise QuantityError(f"is too long for a date; {_DATE_HELP}")
    fixed = _FIXED.fullmatch(text)
    if fixed:
        return When(to_ticks(Quantity(float(fixed["day"]), "day"), "a date"), text=text)
    relative = _RELATIVE.fullmatch(text)
    if relative:
        offset = _offset(relative["offset"]) if relative["offset"] else 0
        sign = -1 if relative["side"] == "before" else 1
        return When(sign * offset, relative["name"].strip(), _which(relative["which"]), text)
    unsaid = _UNSAID.fullmatch(text)
    if unsaid:
        name = plain(unsaid["name"], 40)
        raise QuantityError(f'{quoted(text)} does not say which {name}: write "first {name}" or "last {name}"')
    try:
        quantity = parse_quantity(text)
    except QuantityError:
        quantity = None
    if quantity is not None and dimensions(quantity.unit) == (1, 0, 0, 0, 0, 0):
        days = convert(quantity.value, quantity.unit, "day")
        raise QuantityError(f'{quoted(text)} is a duration; as a date write "day {days:g}"')
    raise QuantityError(f"{quoted(text)} is not a date; {_DATE_HELP}")


def _offset(text: str) -> int:
    ticks = to_ticks(parse_quantity(text), "the offset of a date") if text else 0
    if ticks < 0:
        raise QuantityError(f"the offset {quoted(text)} is negative; write before or after instead")
    return ticks


def _which(text: str) -> int:
    return {"first": 1, "last": -1}.get(text) or int(text[:-2])


def _when_of_table(table: Mapping[str, Any]) -> When:
    sides = [s for s in ("after", "before") if s in table]
    unknown = [k for k in table if k not in ("after", "before", "offset")]
    if unknown:
        raise QuantityError(f"{quoted(unknown[0])} {known_key(str(unknown[0]), ('after', 'before', 'offset'))}")
    if len(sides) != 1 or not isinstance(table[sides[0]], str) or not isinstance(table.get("offset", ""), str):
        raise QuantityError('a date as a table is { after = "last tace", offset = "14 day" } (or before)')
    target, offset = table[sides[0]], table.get("offset", "")
    return parse_when(f"{offset} {sides[0]} {target}" if offset else target)


def _date(description: str) -> Any:
    schema = {
        "description": description,
        "anyOf": [
            {"type": "string", "examples": ["day 7", "14 day after last tace"]},
            {
                "type": "object",
                "properties": {k: {"type": "string"} for k in ("after", "before", "offset")},
                "additionalProperties": False,
            },
        ],
    }
    return Annotated[
        When, BeforeValidator(parse_when), PlainSerializer(str), WithJsonSchema(schema), Field(description=description)
    ]


class Dose(Quantity):
    """A dose as typed; `per` is "", "kg" or "m2"."""

    @property
    def per(self) -> str:
        """What the dose is multiplied by: nothing, body weight or body surface."""
        return dose_basis(self.unit)


def dose_basis(unit: str) -> str:
    """ "" for a flat dose, "kg" for one by weight, "m2" for one by body surface.

    Raises:
        QuantityError: the unit is none of a dose.
    """
    dimension = dimensions(unit)
    if dimension == _MASS:
        return ""
    if dimension == _MASS_PER_AREA:
        return "m2"
    if dimension == NONE and re.fullmatch(r"[kmunp]?g/kg", unit):
        return "kg"
    raise QuantityError(f'"{unit}" is no unit of a dose; write mg, mg/kg or mg/m^2')


def _read_dose(value: Any) -> Dose:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9:
        raise QuantityError(f'needs a unit: write "{value:g} mg" or "{value:g} mg/kg"')
    if isinstance(value, Dose):
        return value
    quantity = parse_quantity(value)
    per = dose_basis(quantity.unit)
    size = convert(quantity.value, quantity.unit, {"": "mg", "kg": "mg/kg", "m2": "mg/m^2"}[per])
    most = {"": 100_000.0, "kg": 1_000.0, "m2": 20_000.0}[per]
    if not 0 < size <= most:
        raise QuantityError(
            f"{quantity} is no dose: it must be above 0 and at most {most:g} mg{'/' + per if per else ''}"
        )
    return Dose(*quantity)


DoseField = Annotated[
    Dose,
    BeforeValidator(_read_dose),
    PlainSerializer(written),
    WithJsonSchema({"type": "string", "examples": ["1500 mg", "15 mg/kg", "130 mg/m^2"]}),
    Field(description="dose: flat, by body weight or by body surface"),
]
Name = Annotated[str, Field(pattern=NAME_PATTERN, description="a name to refer to")]
_Interval = measured("day", "interval of a train", above=0, most=3650, example="21 day")


class Hold(Model):
    """No dose from `before` before to `after` after each entry of what `around` names; the end itself is free again."""

    around: Name
    before: measured("day", "time before each of them", least=0, most=365) = Quantity(0.0, "day")
    after: measured("day", "time after each of them", least=0, most=365) = Quantity(0.0, "day")
    policy: Literal["skip", "delay"] = Field("skip", description="leave the dose out, or give it when the hold ends")

    @model_validator(mode="after")
    def _long(self) -> Hold:
        if self.before.value == 0 and self.after.value == 0:
            raise ValueError('a hold needs a length: give "before", "after" or both')
        return self


class Loading(Model):
    """The first `times` doses differ."""

    dose: DoseField
    times: int = Field(1, ge=1, le=1000, description="how many of the first doses")


class Timed(Model):
    """What everything with dates shares."""

    name: Name
    start: _date("date of the first one") | None = None
    at: tuple[_date("one of several dates"), ...] | None = None
    every: _Interval | None = None
    times: int | None = Field(None, ge=1, le=10_000, description="how many in all")
    until: _date("the train ends before this date") | None = None
    source: str = Field("", max_length=2000, description="where this schedule stands; or that it is assumed")

    @model_validator(mode="after")
    def _dated(self) -> Timed:
        if (self.start is None) == (self.at is None):
            raise ValueError('give either "start" (one date, or a train with "every") or "at" (a list of dates)')
        if self.at is not None:
            if not self.at:
                raise ValueError('"at" is an empty list; give dates, or leave the entry out')
            wrong = [k for k in ("every", "times", "until") if getattr(self, k) is not None]
            if wrong:
                raise ValueError(f'"{wrong[0]}" belongs to a train with "start"; with "at" each date is given')
        elif self.every is None and not self.spaced_elsewhere and (self.until is not None or (self.times or 1) > 1):
            raise ValueError('a train needs "every", such as every = "21 day"')
        if self.every is not None and to_ticks(self.every, "every") < 1:
            raise ValueError('"every" must be at least one minute')
        return self

    @property
    def spaced_elsewhere(self) -> bool:
        """Whether a regimen of the drug library gives the interval."""
        return False


class DrugTreatment(Timed):
    """A drug given on dates: dose or regimen of the library, infusion time, loading doses, holds."""

    kind: Literal["drug"] = "drug"
    drug: Name
    dose: DoseField | None = None
    regimen: str | None = Field(None, max_length=64, description="a regimen of the drug's library entry")
    route: Literal["intravenous", "oral", "hepatic_artery"] | None = None
    infusion: measured("day", "time of each infusion", above=0, most=30, example="60 min") | None = None
    loading: tuple[Loading, ...] = ()
    hold: tuple[Hold, ...] = ()

    @model_validator(mode="after")
    def _dosed(self) -> DrugTreatment:
        if (self.dose is None) == (self.regimen is None):
            raise ValueError(
                'give either "dose", such as "1500 mg" or "15 mg/kg", or "regimen", a name of the drug library'
            )
        if self.route == "oral" and self.infusion is not None:
            raise ValueError('"infusion" has no meaning for an oral drug; remove one of the two')
        return self

    @property
    def spaced_elsewhere(self) -> bool:
        return self.regimen is not None


class Tace(Timed):
    """Transarterial chemoembolisation, or bland embolisation."""

    kind: Literal["tace"] = "tace"
    name: Name = "tace"
    technique: Literal["conventional", "beads", "bland", "starch"] = Field(
        "conventional",
        description="lipiodol emulsion then gelatin, drug-eluting beads, particles alone, or starch spheres",
    )
    selectivity: Literal["superselective", "segmental", "lobar"] = Field(
        "segmental", description="how much liver around the tumour takes part"
    )
    endpoint: Literal["stasis", "short of stasis"] = Field("stasis", description="how far flow is stopped")
    drug: Name | None = Field(None, description="drug carried; doxorubicin unless bland")
    drug_load: measured("mg", "drug carried by a session", least=0, most=1000, example="50 mg") | None = None
    targets: tuple[str, ...] = Field((), description="names of lesions treated; empty: all")

    @model_validator(mode="after")
    def _consistent(self) -> Tace:
        if self.technique == "bland" and (self.drug is not None or (self.drug_load and self.drug_load.value > 0)):
            raise ValueError('bland embolisation carries no drug; remove "drug" and "drug_load" or change "technique"')
        return self


class Scan(Timed):
    """An imaging visit; rules see only what a scan saw."""

    kind: Literal["scan"] = "scan"
    name: Name = "scan"
    method: Literal["ct", "mri"] = "mri"


Treatment = DrugTreatment | Tace
KINDS: dict[str, type[Timed]] = {"drug": DrugTreatment, "tace": Tace}


class Protocol(Model):
    """A calendar as a trial writes it."""

    name: Name = "untreated"
    title: str = Field("", max_length=300)
    source: tuple[str, ...] | str = Field("", description="registry entries and papers")
    treatment: tuple[Treatment, ...] = ()
    scan: tuple[Scan, ...] = ()


class _Head(Model):
    name: Name = "untreated"
    title: str = Field("", max_length=300)
    source: tuple[str, ...] | str = ""


def read_protocol(table: Any, key: Key, problems: Problems) -> Protocol | None:
    """Validate the table of a protocol; returns None after noting every mistake in it."""
    if not isinstance(table, dict):
        problems.add(key, "must be a table with keys")
        return None
    before = len(problems.found)
    head = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items() if k not in ("treatment", "scan")}
    checked = check_table(_Head, head, key, problems, also=("treatment", "scan", "file"))
    treatments = [
        (at, _read_treatment(item, at, problems))
        for at, item in _listed(table.get("treatment", []), (*key, "treatment"), problems)
    ]
    scans = [
        (at, check_table(Scan, _tuples(item), at, problems))
        for at, item in _listed(table.get("scan", []), (*key, "scan"), problems)
    ]
    _unique([*treatments, *scans], problems)
    if len(treatments) + len(scans) > MAX_TREATMENTS:
        problems.add(key, f"has more than {MAX_TREATMENTS} treatments and scans")
    if len(problems.found) > before or checked is None:
        return None
    return Protocol(**dict(checked), treatment=tuple(t for _, t in treatments), scan=tuple(s for _, s in scans))


def _listed(value: Any, key: Key, problems: Problems) -> list[tuple[Key, Any]]:
    if not isinstance(value, list):
        problems.add(key, f"must be a list of tables: write [[{key[-1]}]] with double brackets")
        return []
    return [((*key, i), item) for i, item in enumerate(value)]


def _read_treatment(item: Any, key: Key, problems: Problems) -> Timed | None:
    if not isinstance(item, dict):
        problems.add(key, "must be a table with keys")
        return None
    kind = item.get("kind", "drug" if "drug" in item else None)
    if not isinstance(kind, str) or kind not in KINDS:
        given = "is missing" if kind is None else f"{quoted(kind)} is not known{nearest(str(kind), KINDS)}"
        problems.add((*key, "kind"), f"{given}; kinds of treatment are {', '.join(KINDS)}")
        return None
    model = KINDS[kind]
    if kind == "drug" and "name" not in item and isinstance(item.get("drug"), str):
        item = {"name": item["drug"], **item}
    return check_table(model, _tuples(item), key, problems)


def _tuples(value: Any) -> Any:
    """Lists become tuples, so that strict validation of frozen tables takes them."""
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return value


def _unique(items: list[tuple[Key, Timed | None]], problems: Problems) -> None:
    seen: set[str] = set()
    for key, item in items:
        if item is not None and item.name.lower() in seen:
            problems.add(key, f'a second entry is named {quoted(item.name)}; give each its own "name"')
        elif item is not None:
            seen.add(item.name.lower())
