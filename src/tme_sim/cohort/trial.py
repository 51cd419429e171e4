"""Trial files: arms, patients, how a trial looks at them and for how long; read into a checked `Trial`.

An arm is a protocol file, with study-wise overrides in ``[arm.set]`` as with ``--set``.  Visits of the trial, if given,
replace the scans of all its protocols (planning scans stay), so that arms are looked at alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tme_sim.catalogue import Catalogue, load_catalogue
from tme_sim.cohort.cohort import Cohort, load_cohort
from tme_sim.diagnostics import InputError, Problem, parse_toml, quoted, read_text, read_toml
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.kinds import refuse_another_kind
from tme_sim.protocol.after import After, follows, scenario_text
from tme_sim.protocol.calendar import LOOKS
from tme_sim.quantities import Quantity, internal
from tme_sim.scenario import ImagingSettings, Scenario
from tme_sim.validation import Model, Problems, check_table, measured, shortest, written

if TYPE_CHECKING:
    from tme_sim.posterior import Posterior

# A course of years takes one or two thousand steps; a tumour left to grow to litres after death would take far more.
MAX_STEPS = 6000

__all__ = ["Arm", "FollowUp", "Trial", "load_trial", "trial_of"]


class ArmTable(Model):
    """One arm of a trial file."""

    name: str = Field("", pattern=r"^$|^[A-Za-z0-9._-]{1,48}$", description="by default that of the protocol file")
    title: str = Field("", max_length=200)
    protocol: str = Field(min_length=1, max_length=300, description="protocol file, relative to the trial file")
    after_progression: After | None = None  # by default that of the trial
    set: dict[str, Any] = Field(default_factory=dict, description="overrides of this arm alone")


class Visit(Model):
    """Scans of the trial, for all arms."""

    start: str | None = Field(None, description="by default when an arm begins: day 0, or its first dose before that")
    every: measured("day", "interval", above=0, most=400, example="8 weeks")
    until: str | None = None


class FollowUp(Model):
    """For how long patients are watched, as far as the trial decides it."""

    accrual: measured("month", "patients enter evenly over this time", least=0, most=120, example="24 months") = (
        Quantity(0.0, "month")
    )
    cut_off: measured("month", "data are closed so long after the first entry", above=0, most=240) | None = None
    dropout: measured("1/month", "rate of loss to follow-up", least=0, most=1, example="0.01 1/month") = Quantity(
        0.0, "1/month"
    )
    source: str = Field("", max_length=600)


class Table(Model):
    """A trial file."""

    schema_: Literal[1] = Field(1, alias="schema")
    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    title: str = Field("", max_length=300)
    source: tuple[str, ...] = ()
    cohort: str = Field(min_length=1, max_length=300, description="cohort file, relative to this one")
    posterior: str | None = Field(
        None, min_length=1, max_length=1000, description="calibration whose members the patients follow, one each"
    )
    n: int = Field(ge=1, le=100_000, description="patients; each goes through every arm")
    repeats: int = Field(1, ge=1, le=1000, description="the trial is repeated with so many sets of n patients")
    seed: int = Field(1, ge=0, lt=2**63)
    duration: measured("day", "patients are simulated from day 0 to here", above=0, most=36525) = Quantity(
        24.0, "month"
    )
    after_progression: After = ("none; nothing but what the protocols say",)
    arm: tuple[ArmTable, ...] = ()
    visit: tuple[Visit, ...] = ()
    imaging: ImagingSettings = ImagingSettings()
    follow_up: FollowUp = FollowUp()
    parameters: dict[str, Any] = Field(default_factory=dict, description="model parameters, for all patients and arms")
    biology: dict[str, Any] = Field(
        default_factory=dict, description="as in a scenario: off, hypotheses (on top of the cohort's), gains"
    )
    run: dict[str, Any] = Field(default_factory=dict, description="as in a scenario: rtol, oral")


@dataclass(frozen=True)
class Arm:
    """An arm: its name, words for it, the scenario of its reference patient."""

    name: str
    title: str
    scenario: Scenario = field(repr=False, compare=False)

    @property
    def after(self) -> str:
        """What is given after progression, "" for nothing."""
        return self.scenario.protocol.followed_by or ""


@dataclass(frozen=True)
class Trial:
    """A checked trial; see :func:`load_trial`.  `n` patients go through every arm, `repeats` times with others."""

    name: str
    title: str
    source: tuple[str, ...]
    cohort: Cohort
    arms: tuple[Arm, ...]
    n: int
    repeats: int
    seed: int
    follow_up: FollowUp
    after_progression: str
    path: str = ""
    posterior: Posterior | None = field(default=None, repr=False, compare=False)

    @property
    def catalogue(self) -> Catalogue:
        """The names that arms and cohort were checked against."""
        return self.cohort.catalogue

    @property
    def digest(self) -> str:
        """Digest of what decides the rows but n and repeats: cohort and how it is drawn, arms, seed, values."""
        from tme_sim import __numerics__
        from tme_sim.cohort.patients import DRAWING

        data = {
            "cohort": self.cohort.digest,
            "drawing": DRAWING,
            "arms": {arm.name: arm.scenario.digest for arm in self.arms},
            "seed": self.seed,
            "values": {n: [p.value, p.unit] for n, p in sorted(self.catalogue.names().items())},
            "own": dict(self.catalogue.own),
            "numerics": __numerics__,
        }
        if self.posterior is not None:
            data["posterior"] = self.posterior.digest
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def load_trial(
    path: str | Path,
    *,
    n: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    cohort: Cohort | None = None,
    parameters: Mapping[str, Any] | None = None,
    posterior: str | Path | None = None,
    catalogue: Catalogue | None = None,
) -> Trial:
    """Read and check a trial file; the other arguments replace what it says.

    Args:
        cohort: patients to use instead of the cohort named in the file.
        posterior: file of a calibration whose members the patients follow.
        parameters: model parameters for all patients and arms, on top of the file's, like ``{"k_T_exh": "0.2 1/day"}``.

    Raises:
        InputError: with every mistake found in the trial, its cohort and its protocols.
    """
    raw, places = parse_toml(read_text(path), str(path))
    refuse_another_kind(raw, str(path), "trial")
    for key, value in (("n", n), ("repeats", repeats), ("seed", seed)):
        if value is not None:
            raw[key] = value
            places.set((key,), f"--{key}")
    if posterior is not None:
        raw["posterior"] = str(Path(posterior).absolute())
        places.set(("posterior",), "--posterior")
    if parameters:
        raw["parameters"] = {**raw.get("parameters", {}), **parameters}
    return trial_of(raw, places, Path(path).parent, str(path), cohort, catalogue)


def trial_of(
    raw: dict, places: Any, folder: Path, path: str, cohort: Cohort | None = None, catalogue: Catalogue | None = None
) -> Trial:
    """The trial that the data of a file say; relative paths start from `folder`.

    Raises:
        InputError: as :func:`load_trial`.
    """
    problems = Problems(places)
    table = check_table(Table, {k: _frozen(v) if k != "parameters" else v for k, v in raw.items()}, (), problems)
    found = list(problems.found)
    if cohort is None and isinstance(raw.get("cohort"), str):
        try:
            cohort = load_cohort(folder / raw["cohort"], catalogue=catalogue)
        except InputError as error:
            found += error.problems
    arms: list[Arm] = []
    posterior = None
    if table is not None and table.posterior is not None:
        raw = {**raw, "posterior": str((folder / table.posterior).absolute())}
        try:
            posterior = _posterior(raw["posterior"], cohort)
        except InputError as error:
            found += error.problems
            table = None  # arms would tell the same again
    if table is not None:
        catalogue = cohort.catalogue if cohort is not None else catalogue or load_catalogue()
        if not table.arm:
            found.append(Problem(path, "arm", "a trial needs at least one [[arm]] with a protocol"))
        drawn = set(cohort.draws) if cohort is not None else set()
        for name in table.parameters:
            if name in drawn:
                found.append(
                    Problem(
                        places.place(("parameters", name)),
                        f"parameters.{name}",
                        (f"is drawn for each patient of {cohort.name}; change the draw instead (Cohort.changed)"),
                    )
                )
        for i, arm in enumerate(table.arm):
            try:
                arms.append(_arm(table, arm, folder, path, catalogue, raw, cohort))
            except InputError as error:
                found += [
                    p if p.place not in ("--set", "") else Problem(places.place(("arm", i)), p.key, p.message)
                    for p in error.problems
                ]
        accrual, cut_off = table.follow_up.accrual, table.follow_up.cut_off
        if cut_off is not None and float(internal(*cut_off)) < float(internal(*accrual)):
            found.append(
                Problem(
                    places.place(("follow_up", "cut_off")),
                    "follow_up.cut_off",
                    "the data are closed before the last patients enter; close them later, or shorten the accrual",
                )
            )
        names = [arm.name for arm in arms]
        for name in sorted({n for n in names if names.count(n) > 1}):
            found.append(Problem(path, "arm", f"two arms are named {quoted(name)}; give one a name of its own"))
    if found:
        raise InputError(found)
    return Trial(
        table.name,
        table.title,
        table.source,
        cohort,
        tuple(arms),
        table.n,
        table.repeats,
        table.seed,
        table.follow_up,
        _told(table, arms),
        path,
        posterior,
    )


def _posterior(path: str, cohort: Cohort | None) -> Posterior:
    """The calibration in a file.

    Raises:
        InputError: what is wrong with it, or patients who follow other hypotheses than those of the fit.
    """
    from tme_sim.calibrated import posterior_at

    posterior = posterior_at(path, None if cohort is None else cohort.catalogue.own)
    if cohort is not None and (told := posterior.apart(cohort.hypotheses)):
        raise InputError(Problem(path, "hypotheses", (
            f"patients of {cohort.name} follow {told}; take others, or calibrate under these")))  # fmt: skip
    return posterior


def _frozen(value: Any) -> Any:
    """Lists to tuples at every depth but inside overrides, as the strict models ask for."""
    if isinstance(value, list):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, dict):
        return {k: v if k == "set" else _frozen(v) for k, v in value.items()}
    return value


def _arm(
    table: Table, arm: ArmTable, folder: Path, path: str, catalogue: Catalogue, raw: dict, cohort: Cohort | None
) -> Arm:
    name = arm.name or Path(arm.protocol).stem
    text = scenario_text(name, arm.protocol, arm.after_progression or table.after_progression)
    changes: dict[str, Any] = {
        "title": arm.title or table.title,
        "seed": table.seed,
        "run": {"max_steps": MAX_STEPS, **table.run, "duration": written(table.duration)},
        "imaging": dict(raw.get("imaging", {})),
        "outputs": {"figures": False},
    }
    if table.parameters:
        changes["parameters"] = dict(table.parameters)
    if table.posterior is not None:
        changes["posterior"] = {"file": raw["posterior"]}
    biology = raw.get("biology", {}) if cohort is None else cohort.biology(raw.get("biology"))
    if biology:
        changes["biology"] = biology
    if table.visit:
        changes["protocol.scan"] = _visits(table, folder / arm.protocol, 0.0)
    scenario = Scenario.from_text(text, str(folder / f"{Path(path).stem}.toml"), changes | arm.set, catalogue=catalogue)
    begin = _begin(scenario)
    if table.visit and begin < 0.0:
        visits = {"protocol.scan": _visits(table, folder / arm.protocol, begin)}
        scenario = Scenario.from_text(
            text, str(folder / f"{Path(path).stem}.toml"), changes | visits | arm.set, catalogue=catalogue
        )
    return Arm(name, arm.title or scenario.protocol.title or name, scenario)


def _told(table: Table, arms: Sequence[Arm]) -> str:
    """What patients get after progression, in words; arm by arm where arms differ or nothing fits one of them."""
    if not any(arm.after for arm in arms):
        return "; ".join(table.after_progression) if not follows(table.after_progression) else "none"
    if len({arm.after for arm in arms}) == 1:
        return arms[0].after
    return "; ".join(f"{arm.name}: {arm.after or 'none'}" for arm in arms)


def _begin(scenario: Scenario) -> float:
    """The day on which an arm begins: day 0, or that of its first treatment if drugs lead in."""
    given = (*scenario.calendar.entries, *scenario.calendar.planned)
    return min([0, *(entry.tick for entry in given if entry.kind not in LOOKS)]) / TICKS_PER_DAY


def _visits(table: Table, protocol: Path, begin: float) -> list[dict[str, Any]]:
    """Scans of an arm that begins on day `begin`: the planning scans of its protocol, and the visits of the trial."""
    data, _ = read_toml(protocol)
    kept = [s for s in data.get("scan", []) if isinstance(s, dict) and s.get("planning")]
    new = []
    for visit in table.visit:
        days = float(internal(*visit.every))
        start = visit.start or f"day {shortest(begin)}"
        item = {"start": start, "every": f"{shortest(days)} day", "source": "visits of the trial"}
        new.append(item if visit.until is None else item | {"until": visit.until})
    return kept + new
