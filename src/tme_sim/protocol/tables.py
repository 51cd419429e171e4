"""Tables of a protocol: treatments, scans, visits, phases and rules, as a file writes them.

`until` is exclusive: a dose that would fall on it is not given.  :func:`tme_sim.schedule.resolve` turns a protocol into
dated entries, and :mod:`tme_sim.protocol.rules` what depends on scans into tables for the kernel.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from tme_sim.protocol.conditions import SCHEMA as CONDITIONS_SCHEMA
from tme_sim.protocol.conditions import Condition, conditions, parse_condition, read_conditions
from tme_sim.protocol.dates import When, date, parse_when, to_ticks
from tme_sim.protocol.doses import DoseField
from tme_sim.quantities import Quantity, QuantityError
from tme_sim.validation import NAME_PATTERN, Model, Texts, measured

Name = Annotated[str, Field(pattern=NAME_PATTERN, description="a name to refer to")]
_Interval = measured("day", "interval of a train", above=0, most=3650, example="21 day")


def read_until(value: Any) -> When | tuple[Condition, ...]:
    """A date, or conditions any of which ends what they stand with.

    Raises:
        QuantityError: neither; the message is that of what it looks more like.
    """
    if isinstance(value, (list, tuple)) and value:
        return read_conditions(value)
    if isinstance(value, (Condition, When)):
        return value if isinstance(value, When) else (value,)
    try:
        return parse_when(value)
    except QuantityError as no_date:
        if not isinstance(value, str):
            raise
        try:
            return (parse_condition(value),)
        except QuantityError as no_condition:
            looks_dated = any(
                word in value.split() for word in ("day", "days", "week", "weeks", "first", "last", "after")
            )
            raise (no_date if looks_dated else no_condition) from None


def _write_until(value: When | tuple[Condition, ...]) -> Any:
    if isinstance(value, When):
        return str(value)
    return str(value[0]) if len(value) == 1 else [str(c) for c in value]


Until = Annotated[
    Any, BeforeValidator(read_until), PlainSerializer(_write_until),
    WithJsonSchema({"anyOf": [*CONDITIONS_SCHEMA["anyOf"], {"type": "object"}],
                    "description": "ends before this date, or at the visit that sees one of these conditions"}),
    Field(description="ends before this date, or at the visit that sees one of these conditions"),
]  # fmt: skip


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


class Rule(Model):
    """What a visit changes about a treatment."""

    when: conditions("any of these, as seen at a visit")
    then: Literal["skip", "reduce", "interrupt", "discontinue"] = Field(
        description="leave out what is due, go one dose level down, pause while it lasts, or end for good"
    )


class OnDemand(Model):
    """Sessions repeated when a scan asks for one; the first stands at the treatment's own date."""

    when: conditions("any of these, as seen at a scan")
    minimum_interval: measured("day", "time between two sessions", above=0, most=3650) = Quantity(28.0, "day")
    delay: measured("day", "from the scan to the session", least=0, most=365) = Quantity(14.0, "day")
    maximum: int | None = Field(None, ge=2, le=100, description="sessions in all, the first included")
    maximum_per_lesion: int | None = Field(None, ge=1, le=100, description="sessions of one lesion")


class Timed(Model):
    """What everything with dates shares."""

    name: Name
    start: date("date of the first one") | None = None
    at: tuple[date("one of several dates"), ...] | None = None
    every: _Interval | None = None
    times: int | None = Field(None, ge=1, le=10_000, description="how many in all")
    until: Until | None = None
    source: str = Field("", max_length=2000, description="where this schedule stands; or that it is assumed")

    @model_validator(mode="after")
    def _dated(self) -> Timed:
        if (
            self.at is not None
            and self.start is not None
            or (self.at is None and self.start is None and not self.in_phase)
        ):
            raise ValueError('give either "start" (one date, or a train with "every") or "at" (a list of dates)')
        if self.at is not None:
            if not self.at:
                raise ValueError('"at" is an empty list; give dates, or leave the entry out')
            wrong = [k for k in ("every", "times") if getattr(self, k) is not None]
            wrong += ["until"] if isinstance(self.until, When) else []
            if wrong:
                raise ValueError(f'"{wrong[0]}" belongs to a train with "start"; with "at" each date is given')
        elif self.every is None and not self.spaced_elsewhere and (
            isinstance(self.until, When) or (self.times or 1) > 1
        ):  # fmt: skip
            raise ValueError('a train needs "every", such as every = "21 day"')
        if self.every is not None and to_ticks(self.every, "every") < 1:
            raise ValueError('"every" must be at least one minute')
        return self

    @property
    def in_phase(self) -> str:
        """The phase this belongs to, "" for none."""
        return getattr(self, "phase", None) or ""

    @property
    def spaced_elsewhere(self) -> bool:
        """Whether a regimen of the drug library gives the interval."""
        return False


class Given(Timed):
    """What every treatment shares: its phase and its rules."""

    phase: Name | None = Field(None, description="the phase it belongs to: starts and ends with it")
    rule: tuple[Rule, ...] = ()


class DrugTreatment(Given):
    """A drug given on dates: dose or regimen of the library, infusion time, loading doses, dose levels, holds."""

    kind: Literal["drug"] = "drug"
    drug: Name
    dose: DoseField | None = None
    regimen: str | None = Field(None, max_length=64, description="a regimen of the drug's library entry")
    route: Literal["intravenous", "oral", "hepatic_artery"] | None = None
    infusion: measured("day", "time of each infusion", above=0, most=30, example="60 min") | None = None
    loading: tuple[Loading, ...] = ()
    levels: tuple[DoseField, ...] = Field((), description="reduced doses in order, for rules that reduce")
    hold: tuple[Hold, ...] = ()

    @model_validator(mode="after")
    def _dosed(self) -> DrugTreatment:
        if (self.dose is None) == (self.regimen is None):
            raise ValueError(
                'give either "dose", such as "1500 mg" or "15 mg/kg", or "regimen", a name of the drug library'
            )
        if self.route == "oral" and self.infusion is not None:
            raise ValueError('"infusion" has no meaning for an oral drug; remove one of the two')
        if any(r.then == "reduce" for r in self.rule) and not self.levels:
            raise ValueError('a rule reduces the dose, so give the reduced doses: levels = ["8 mg", "4 mg"]')
        return self

    @property
    def spaced_elsewhere(self) -> bool:
        return self.regimen is not None


class Procedure(Given):
    """What procedures share: which lesions, and repeats on demand."""

    targets: tuple[str, ...] = Field((), description="names of lesions treated; empty: all that are seen")
    on_demand: OnDemand | None = None

    @model_validator(mode="after")
    def _repeated(self) -> Procedure:
        if len(set(self.targets)) < len(self.targets):
            raise ValueError('"targets" names a lesion twice; name each once')
        if self.on_demand is not None and (self.every is not None or self.at is not None):
            raise ValueError('is repeated on demand, so give one "start" and neither "every" nor "at"')
        if any(r.then == "reduce" for r in self.rule):
            raise ValueError('a procedure has no dose levels; write then = "skip", "interrupt" or "discontinue"')
        return self


class Tace(Procedure):
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

    @model_validator(mode="after")
    def _consistent(self) -> Tace:
        if self.technique == "bland" and (self.drug is not None or (self.drug_load and self.drug_load.value > 0)):
            raise ValueError('bland embolisation carries no drug; remove "drug" and "drug_load" or change "technique"')
        return self


class Ablation(Procedure):
    """Thermal ablation of single lesions."""

    kind: Literal["ablation"] = "ablation"
    name: Name = "ablation"
    technique: Literal["radiofrequency", "microwave"] = "radiofrequency"
    margin: measured("mm", "ablated rim of liver around the lesion", least=0, most=30, example="5 mm") = Quantity(
        5.0, "mm"
    )


class Sbrt(Procedure):
    """Stereotactic body radiotherapy; its fractions are given on consecutive working days."""

    kind: Literal["sbrt"] = "sbrt"
    name: Name = "sbrt"
    dose: measured("Gy", "dose to the lesion, of all fractions", above=0, most=100, example="50 Gy") = Quantity(
        50.0, "Gy"
    )
    fractions: int = Field(5, ge=1, le=30, description="number of equal fractions")


class Radioembolisation(Procedure):
    """Yttrium-90 microspheres."""

    kind: Literal["radioembolisation"] = "radioembolisation"
    name: Name = "radioembolisation"
    material: Literal["glass", "resin"] = "glass"
    selectivity: Literal["superselective", "segmental", "lobar"] = Field(
        "segmental", description="how much liver around the tumour takes part"
    )
    dose: measured("Gy", "mean dose absorbed by the tumour", above=0, most=1000, example="205 Gy") = Quantity(
        205.0, "Gy"
    )


class Scan(Timed):
    """An imaging visit; blood is taken as well.  Rules see only what visits saw."""

    kind: Literal["scan"] = "scan"
    name: Name = "scan"
    method: Literal["ct", "mri"] = "mri"
    planning: bool = Field(
        False, description="between the trial's scans: sessions are planned by it, responses are not read from it"
    )


class Visit(Timed):
    """A visit with a blood test and without imaging."""

    kind: Literal["visit"] = "visit"
    name: Name = "visit"


class Phase(Model):
    """A stretch of the protocol; treatments that name it start and end with it.

    It starts at `start`, or when the phase it `follows` has ended and `start`, counted from an entry before, has come.
    """

    name: Name
    follows: Name | None = Field(None, description="starts when this phase has ended")
    start: date("its first day; with follows: not before") | None = None
    end: date("its last day") | None = None
    until: conditions("ends at the visit that sees any of these") | None = None
    new_baseline: bool = Field(
        False, description="scans are read afresh: the next one is the baseline, as in a new line"
    )
    ends_all: bool | None = Field(
        None, description="runs beside other phases; its end is the end of all but the phases that follow it"
    )
    source: str = Field("", max_length=2000, description="where this stands; or that it is assumed")

    @model_validator(mode="after")
    def _bounded(self) -> Phase:
        if self.ends_all and (self.follows is not None or self.until is None):
            raise ValueError('"ends_all" is for a phase with a "start" and an "until"; give both, without "follows"')
        if self.start is None and self.follows is None:
            raise ValueError('a phase needs a "start", or "follows" with the name of the phase before it')
        return self


Treatment = DrugTreatment | Tace | Ablation | Sbrt | Radioembolisation
KINDS: dict[str, type[Given]] = {
    "drug": DrugTreatment, "tace": Tace, "ablation": Ablation, "sbrt": Sbrt, "radioembolisation": Radioembolisation,
}  # fmt: skip


class Protocol(Model):
    """A calendar as a trial writes it."""

    name: Name = "untreated"
    title: str = Field("", max_length=300)
    source: Texts = Field("", description="registry entries and papers")
    followed_by: str | None = Field(
        None, max_length=300, description="what follows the protocol's own treatment, once it is joined"
    )
    phase: tuple[Phase, ...] = ()
    treatment: tuple[Treatment, ...] = ()
    scan: tuple[Scan, ...] = ()
    visit: tuple[Visit, ...] = ()
