"""Calibration files: arms, targets and candidate parameters as data, read into a checked `Problem`.

A target is the mean over patients of something each simulated patient has: an indicator (`share`), being free of an
event after some time (`after`; a published median is the time after which half are), or a logarithm (`mean_log`).
Besides endpoints, a value of the model on a day can be aimed at (``VEGF_serum_d1``), alone or over another, or over a
draw of the patient (`over`).  Values of day 0 are those after a session of that minute.
`value` is what was observed, with the uncertainty of `n` patients or a given `sd`, and a `discrepancy` for what the
model and the cohort file cannot be expected to match.  Outcomes of arms that give a drug with embolisation are
withheld: a file that aims at one is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from tme_sim.definitions import DEFINITIONS, definition_of
from tme_sim.diagnostics import InputError, nearest, parse_toml, quoted, read_text
from tme_sim.kinds import refuse_another_kind
from tme_sim.posterior import Posterior, model_digest
from tme_sim.priors import Priors
from tme_sim.protocol.after import NOTHING, After, follows, scenario_text
from tme_sim.quantities import Quantity, internal, to_display
from tme_sim.validation import Model, Problems, check_table, measured, written

__all__ = ["ArmTable", "Candidate", "FitProblem", "Settings", "Target", "load_problem", "patient_value"]

Grade = Literal["high", "medium", "low", "assumed"]
TRUE = ("cr_", "pr_", "sd_", "pd_", "orr_", "dcr_")  # endpoints that are true or not, as they begin
DAY_OF = re.compile(r"(\w+)_d(\d{1,4})")  # a value of the model on a day
FOLLOWED = frozenset({"child_pugh_points", "albi", "albi_grade", "burden", "bclc"})  # of patients, beside their draws


class Settings(Model):
    """How large the fit is."""

    seed: int = Field(1, ge=0, lt=2**31)
    pairs: int = Field(256, ge=8, le=100_000, description="runs of each arm with parameters from the prior")
    later: int = Field(128, ge=1, le=100_000, description="runs of each arm in each later wave, from the fit so far")
    waves: int = Field(1, ge=0, le=10, description="later waves at most; no more once the regressions foretell a wave")
    draws: int = Field(64, ge=4, le=10_000, description="members of the posterior ensemble")
    patients: int = Field(2, ge=1, le=1000, description="patients of each arm on which each member is simulated again")
    most: int = Field(15, ge=1, le=40, description="parameters fitted at most")
    least: float = Field(0.03, ge=0, lt=1, description="share of prior variance that targets must take")
    particles: int = Field(2000, ge=50, le=1_000_000)
    chains: int = Field(3, ge=2, le=20, description="independent repeats of the sampler, compared with each other")
    recoveries: int = Field(40, ge=2, le=1000, description="synthetic data sets that are fitted back")
    rtol: float = Field(1e-4, ge=1e-10, le=1e-2)
    max_steps: int = Field(3000, ge=100, le=10_000_000)


class ArmTable(Model):
    """Patients, protocol and reading behind some targets."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,48}$")
    cohort: str = Field(min_length=1, max_length=300, description="cohort file, relative to this one")
    protocol: str = Field(min_length=1, max_length=300, description="protocol file, relative to this one")
    after_progression: After = NOTHING
    duration: measured("day", "simulated from day 0 to here", above=0, most=36525) = Quantity(24.0, "month")
    criterion: Literal["recist11", "mrecist", "recicl"] = "recist11"
    gate: Literal["none", "LI-RADS 5"] = "none"
    error: float = Field(0.061, ge=0, le=0.5, description="relative error of a diameter")


class Target(Model):
    """One published figure; see the module."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,48}$")
    order: int = Field(ge=1, le=9, description="1 natural history, 2 TACE kill, 3 TACE-alone trials, 4 drugs, 5 VEGF, "
                       "6 liver")  # fmt: skip
    arm: str
    statistic: Literal["share", "after", "mean_log"]
    of: str = Field(description="endpoint of a row, or a value of the model on a day, like VEGF_serum_d1")
    over: str = Field("", max_length=80, description="what it is divided by: a draw, an endpoint or a value")
    equals: str | None = None
    above: float | None = None
    below: float | None = None
    at: measured("day", "time of an `after`", above=0, most=36525) | None = None
    window: measured("day", "interval of visits, over which a date is uncertain", least=0, most=400) = Quantity(
        0.0, "day"
    )
    where: dict[str, tuple[float, float]] = Field(default_factory=dict, description="draws that count, from and to")
    among: str = Field("", max_length=48, description="endpoint that is true of those who count, such as a response")
    value: float
    n: int | None = Field(None, ge=1, le=100_000)
    sd: float | None = Field(None, gt=0)
    discrepancy: float = Field(0.05, ge=0)
    role: Literal["fit", "check"] = Field("fit", description="checks are shown beside the fit and do not enter it")
    source: str = Field(min_length=3, max_length=600)
    grade: Grade
    board: str = Field("", max_length=120, description="row of the evidence board with the same observation")
    note: str = Field("", max_length=600)

    @property
    def noise(self) -> float:
        """Standard deviation of the observation: sampling of its own patients, and the discrepancy."""
        own = self.sd if self.sd is not None else math.sqrt(self.value * (1.0 - self.value) / self.n)
        return math.hypot(own, self.discrepancy)

    @property
    def values(self) -> tuple[tuple[str, int], ...]:
        """What it takes that is no endpoint: values of the model, by name and day."""
        found = [DAY_OF.fullmatch(name) for name in (self.of, self.over) if not of_a_row(name)]
        return tuple((match[1], int(match[2])) for match in found if match is not None)


class Candidate(Model):
    """A parameter that may be fitted: of the model, a number of the cohorts' draws (``occult_liver.median``), or what
    one drug does at its target (``lenvatinib.signalling_ic50``)."""

    name: str = Field(min_length=1, max_length=80)
    low: float | None = None
    high: float | None = None
    scale: Literal["auto", "log", "linear"] = "auto"
    source: str = Field("", max_length=600)
    grade: Grade | None = None


@dataclass(frozen=True)
class FitProblem:
    """A checked calibration: what is fitted to what."""

    name: str
    title: str
    settings: Settings
    arms: tuple[ArmTable, ...]
    targets: tuple[Target, ...]
    priors: Priors
    units: tuple[str, ...]
    folder: Path
    catalogue: Any = field(repr=False, compare=False, default=None)
    cohorts: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)
    scenarios: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def hypotheses(self) -> dict[str, str]:
        """The hypotheses that the virtual patients follow, the same in every cohort."""
        return next((dict(c.hypotheses) for c in self.cohorts.values()), {})

    @property
    def after_progression(self) -> dict[str, str]:
        """What follows progression, by arm; arms in which nothing does are left out."""
        told = {name: scenario.protocol.followed_by for name, scenario in self.scenarios.items()}
        return {name: what for name, what in told.items() if what}

    def entry(self, arm: str) -> float:
        """Day of an arm's runs that times count from; see :func:`tme_sim.cohort.running.entry_day`."""
        from tme_sim.cohort.running import entry_of

        return entry_of(self.scenarios[arm]) if arm in self.scenarios else 0.0

    @property
    def model_digest(self) -> str:
        """Digest of what a parameter means under the hypotheses of the cohorts."""
        own = self.catalogue.own if self.catalogue is not None else None
        return model_digest(own, self.hypotheses)

    @property
    def digest(self) -> str:
        """Digest of everything that decides the fit but the model itself."""
        data = {
            "settings": self.settings.model_dump(),
            "arms": [a.model_dump(mode="json", exclude=None if follows(a.after_progression) else {"after_progression"})
                     for a in self.arms],
            "targets": [t.model_dump(mode="json", exclude={"source", "note", "grade", "board"}
                                     | {name for name in ("among", "over") if not getattr(t, name)})
                        for t in self.targets],
            "priors": [self.priors.names, self.priors.centre.tolist(), self.priors.low.tolist(),
                       self.priors.high.tolist(), self.priors.log.tolist()],
            "cohorts": {n: c.digest for n, c in sorted(self.cohorts.items())},
            "protocols": {n: s.digest for n, s in sorted(self.scenarios.items())},
            "entries": {n: day for n in sorted(self.scenarios) if (day := self.entry(n))},
        }  # fmt: skip
        return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()

    def of_arm(self, arm: str) -> list[int]:
        """Places of the targets of an arm."""
        return [i for i, t in enumerate(self.targets) if t.arm == arm]

    def series_of(self, arm: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names and days of the values of the model that the targets of an arm take besides endpoints."""
        wanted = {value for t in self.targets if t.arm == arm for value in t.values}
        return tuple(sorted({name for name, _ in wanted})), tuple(sorted({day for _, day in wanted}))


def of_a_row(name: str) -> bool:
    """Whether a name is that of an endpoint that rows hold: landmarks on landmark days only."""
    from tme_sim.observe.endpoints import LANDMARKS

    day = DAY_OF.fullmatch(name)
    return definition_of(name) is not None and (day is None or int(day[2]) in LANDMARKS)


def patient_value(target: Target, row: Mapping[str, Any], values: Mapping[str, Any], entry: float = 0.0) -> float:
    """What one patient contributes to a target; NaN if the patient is none of its patients or has no such endpoint.

    Times count from day `entry` of the row, as those of trials do.
    """
    for name, (low, high) in target.where.items():
        if not low <= float(values[name]) <= high:
            return math.nan
    if target.among and not row[target.among]:
        return math.nan
    value = row[target.of]
    if target.statistic == "after":
        if not row[f"{target.of}_event"]:
            return 1.0
        at, window = float(internal(*target.at)), float(internal(*target.window))
        late = value - entry - at
        return float(late > 0.0) if window == 0 else min(max(late / window + 0.5, 0.0), 1.0)
    if target.equals is not None:
        return float(value == target.equals)
    if value is not None and target.over:
        below = float(values[target.over]) if target.over in values else row[target.over]
        value = value / below if below else math.nan
    if value is None or not math.isfinite(value):
        return math.nan
    if target.statistic == "mean_log":
        return math.log(value) if value > 0 else math.nan
    if target.below is not None:
        return float(value < target.below)
    return float(value > target.above) if target.above is not None else float(value)


def load_problem(path: str | Path, *, catalogue: Any = None, posterior: Posterior | None = None) -> FitProblem:
    """Read and check a calibration file, its cohorts and its protocols.

    Args:
        posterior: the fit that a file of checks is held against; its parameters are those of the problem.

    Raises:
        InputError: with every mistake found.
    """
    from tme_sim.catalogue import load_catalogue

    raw, places = parse_toml(read_text(path), str(path))
    refuse_another_kind(raw, str(path), "calibration")
    problems = Problems(places)
    allowed = {"schema", "name", "title", "source", "run", "arm", "target", "parameter"}
    for key in raw:
        if key not in allowed:
            problems.add((key,), f"is not known here{nearest(key, allowed)}; there are {', '.join(sorted(allowed))}")
    if raw.get("schema") != 1:
        problems.add(("schema",), "must be 1")
    catalogue = catalogue or load_catalogue()
    settings = check_table(Settings, raw.get("run", {}), ("run",), problems)
    arms = _list(ArmTable, raw, "arm", problems)
    targets = _list(Target, raw, "target", problems)
    candidates = [] if posterior is not None else _list(Candidate, raw, "parameter", problems)
    given = raw["arm"] if isinstance(raw.get("arm"), list) else ()
    _check_names(arms, targets, candidates, problems, given=given, checks=posterior is not None)
    if posterior is not None and "parameter" in raw:
        problems.add(("parameter",), "the parameters are those of the posterior; a file of checks names none")
    folder = Path(path).parent
    cohorts, scenarios = _read_arms(arms, path, catalogue, problems)
    _check_data(arms, targets, cohorts, catalogue, problems)
    if posterior is not None:
        _check_followed(cohorts, posterior, problems)
        priors, units, sources = posterior.priors, tuple(p["unit"] for p in posterior.data["parameters"]), {}
    else:
        priors, units, sources = _priors(candidates, catalogue, cohorts, problems)
    if problems:
        raise InputError(problems.ordered())
    return FitProblem(str(raw.get("name", Path(path).stem)), str(raw.get("title", "")), settings, tuple(arms),
                      tuple(targets), priors, units, folder, catalogue, cohorts, scenarios, sources)  # fmt: skip


def _list(model: type, raw: Mapping[str, Any], key: str, problems: Problems) -> list:
    tables = raw.get(key, [])
    if not isinstance(tables, list) or not tables:
        why = {"target": "; a fit needs data", "parameter": "; a fit needs something to fit"}.get(key, "")
        problems.add((key,), f"there is no [[{key}]]{why}")
        return []
    frozen = [{k: {n: tuple(r) if isinstance(r, list) else r for n, r in v.items()} if isinstance(v, dict) else v
               for k, v in t.items()} if isinstance(t, dict) else t for t in tables]  # fmt: skip
    out = [check_table(model, table, (key, i), problems) for i, table in enumerate(frozen)]
    return [one for one in out if one is not None]


def _check_followed(cohorts, posterior: Posterior, problems: Problems) -> None:
    """Patients follow the hypotheses under which the posterior was fitted."""
    for path, cohort in cohorts.items():
        if told := posterior.apart(cohort.hypotheses):
            problems.add(("arm",), f"patients of {path} follow {told}")


def _check_names(arms, targets, candidates, problems: Problems, *, given: Any, checks: bool) -> None:
    """Names that stand twice or nowhere, and targets that tell no share; `given`: arms as the file has them, wrong ones
    among them, which are told once and not with each of their targets."""
    names = [a.name for a in arms]
    there = {*names, *(a.get("name") for a in given if isinstance(a, dict) and isinstance(a.get("name"), str))}
    for kind, listed in (("arm", names), ("target", [t.name for t in targets]),
                         ("parameter", [c.name for c in candidates])):  # fmt: skip
        for name in sorted({n for n in listed if listed.count(n) > 1}):
            problems.add((kind,), f"{quoted(name)} stands here twice")
    for i, target in enumerate(targets):
        key = ("target", i)
        if target.arm not in there:
            problems.add(key, f"{target.name}: {quoted(target.arm)} is no arm of this file{nearest(target.arm, names)}")
        if target.sd is None and (target.n is None or target.statistic == "mean_log"):
            problems.add(key, f"{target.name} has no uncertainty: give the patients behind it as n, or an sd")
        if target.statistic != "mean_log" and not 0.0 < target.value < 1.0:
            problems.add(key, f"{target.name}: a share lies between 0 and 1, not {target.value:g}; 8 % is 0.08")
        if (target.statistic == "after") != (target.at is not None):
            problems.add(key, f'{target.name}: `at` is needed by statistic = "after" and by no other')
    fitted = [t.name for t in targets if t.role == "fit"]
    if checks and fitted:
        more = f" and {len(fitted) - 1} more" if len(fitted) > 1 else ""
        problems.add(("target",), f'nothing is fitted here, yet {fitted[0]}{more} would be; set role = "check"')
    elif targets and not checks and not fitted:
        problems.add(("target",), 'no target has role = "fit", and a fit needs data; a file of checks is held against '
                     "a finished fit with --check POSTERIOR")  # fmt: skip


def _check_data(arms, targets, cohorts, catalogue, problems: Problems) -> None:
    """Targets that no simulated patient could contribute to: of no endpoint, after the end, or of nobody."""
    of_arm = {arm.name: arm for arm in arms}
    names = [name for definition in DEFINITIONS for name in definition.names]
    for i, target in enumerate(targets):
        arm = of_arm.get(target.arm)
        cohort = cohorts.get(arm.cohort) if arm is not None else None
        key = ("target", i)
        drawn = {*cohort.draws, *FOLLOWED} if cohort is not None else set()
        for part, name in (("of", target.of), ("over", target.over)):
            day = DAY_OF.fullmatch(name)
            if not name or of_a_row(name) or (part == "over" and name in drawn):
                continue
            if day is None or day[1] not in catalogue.states:
                known = [*names, *(f"{state}_d{day[2]}" for state in catalogue.states)] if day else names
                problems.add((*key, part), f"{target.name}: {quoted(name)} is no endpoint and no value of the model on "
                             f"a day{nearest(name, known)}; docs/endpoints.md lists endpoints, and VEGF_serum_d1 is "
                             "such a value")  # fmt: skip
            elif arm is not None and int(day[2]) > internal(*arm.duration):
                problems.add((*key, part), f"{target.name}: {arm.name} is simulated for {written(arm.duration)} only; "
                             "simulate it for longer")  # fmt: skip
        if target.over and target.statistic == "after":
            problems.add((*key, "over"), f"{target.name}: a time to an event is divided by nothing")
        if target.among and (target.among not in names or not target.among.startswith(TRUE)):
            problems.add((*key, "among"), f"{target.name}: {quoted(target.among)} is nothing that is true or not of a "
                         f"patient; such are {', '.join(n for n in names if n.startswith(TRUE))}")  # fmt: skip
        elif target.statistic == "after" and f"{target.of}_event" not in names:
            problems.add((*key, "of"), f"{target.name}: {target.of} is no time to an event; such are "
                         f"{', '.join(n.removesuffix('_event') for n in names if n.endswith('_event'))}")  # fmt: skip
        if arm is not None and target.at is not None and internal(*target.at) > internal(*arm.duration):
            problems.add((*key, "at"), f"{target.name}: {arm.name} is simulated for {written(arm.duration)} only; "
                         "simulate it for longer")  # fmt: skip
        if cohort is None:
            continue
        known = {*cohort.draws, *FOLLOWED}
        for name, (low, high) in target.where.items():
            draw = cohort.draws.get(name)
            if name not in known:
                problems.add((*key, "where"), f"{target.name}: {quoted(name)} is nothing that {arm.cohort} draws"
                             f"{nearest(name, known)}")  # fmt: skip
            elif not low <= high or (draw is not None and _outside(draw, low, high)):
                problems.add((*key, "where"), f"{target.name}: nobody of {arm.cohort} has {name} from {low:g} to "
                             f"{high:g}; a target needs data")  # fmt: skip


def _outside(draw: Any, low: float, high: float) -> bool:
    """Whether a draw never gives a value from `low` to `high`."""
    if draw.distribution == "choice":
        return not any(isinstance(value, str) or low <= value <= high for value in draw.values)
    return (draw.low is not None and high < draw.low) or (draw.high is not None and low > draw.high)


def _read_arms(arms, path: str | Path, catalogue, problems: Problems):
    from tme_sim.cohort import load_cohort
    from tme_sim.scenario import Scenario

    folder = Path(path).parent
    cohorts: dict[str, Any] = {}
    scenarios: dict[str, Any] = {}
    for i, arm in enumerate(arms):
        try:
            if arm.cohort not in cohorts:
                cohorts[arm.cohort] = load_cohort(folder / arm.cohort, catalogue=catalogue)
            text = scenario_text(arm.name, arm.protocol, arm.after_progression)
            changes = arm_changes(arm, cohorts[arm.cohort])
            scenarios[arm.name] = Scenario.from_text(text, str(folder / "calibration.toml"), changes,
                                                     catalogue=catalogue)  # fmt: skip
        except InputError as error:
            own = str(folder / "calibration.toml")  # of the lines written here, which no reader has
            problems.found += [replace(p, place=str(path), key=f"arm {arm.name}", message=": ".join(filter(None, (
                p.key, p.message)))) if p.place.startswith(own) else p for p in error.problems]  # fmt: skip
            continue
        together = _combined(scenarios[arm.name].calendar)
        if together:
            problems.add(("arm", i), (
                f"{arm.name} gives {', '.join(together)} with embolisation: outcomes of combinations are "
                "withheld, they are predicted and never fitted"))  # fmt: skip
    followed = {tuple(sorted(cohort.hypotheses.items())): name for name, cohort in cohorts.items()}
    if len(followed) > 1:
        problems.add(("arm",), (
            f"{' and '.join(followed.values())} follow different hypotheses; parameters are fitted under one choice"))
    return cohorts, scenarios


def arm_changes(arm: ArmTable, cohort: Any) -> dict[str, Any]:
    """What an arm asks of a scenario, as changes of it."""
    return {"run": {"duration": written(arm.duration)}, "outputs": {"figures": False}, "biology": cohort.biology(),
            "imaging": {"criterion": arm.criterion, "error": arm.error, "gate": arm.gate}}  # fmt: skip


def _combined(calendar) -> list[str]:
    """Drugs that a calendar gives with procedures, by name: before progression, or within one step of what follows."""
    from tme_sim.protocol.calendar import PROCEDURES

    steps: dict[int, list] = {-1: list(calendar.entries)}
    for track in calendar.tracks:
        steps.setdefault(track.phase if calendar.follows_all(track.phase) else -1, []).extend(track.given)
    out: set[str] = set()
    for given in steps.values():
        if any(entry.kind in PROCEDURES for entry in given):
            out |= {entry.data["drug"] for entry in given if entry.kind == "drug"}
    return sorted(out)


def _priors(candidates, catalogue, cohorts, problems: Problems):
    """Priors of the candidates in internal units (model) or units of the draw (cohorts)."""
    followed = {way for cohort in cohorts.values() for way in cohort.hypotheses.items()}
    known = {**catalogue.under_choices(followed), **catalogue.session}
    of_drugs = {one.name: catalogue.of_drug(one.name) for one in candidates}
    known |= {name: number for name, number in of_drugs.items() if number is not None}
    names, centres, lows, highs, logs, units, sources = [], [], [], [], [], [], {}
    drawn = {name for cohort in cohorts.values() for name in cohort.draws}
    for i, one in enumerate(candidates):
        key = ("parameter", i)
        draw, _, number = one.name.partition(".")
        if number and one.name not in known:
            holding = [c.draws[draw] for c in cohorts.values() if draw in c.draws]
            value = getattr(holding[0], number, None) if holding else None
            if not isinstance(value, float) or one.low is None or one.high is None or not one.source or not one.grade:
                problems.add(key, f"{one.name} is no number of a draw, or lacks low, high, source or grade")
                continue
            low, high, unit, sources[one.name] = one.low, one.high, holding[0].unit, f"{one.source} [{one.grade}]"
        elif one.name in known:
            p = known[one.name]
            if one.name in drawn:
                problems.add(key, f"{one.name} is drawn for each patient; fit a number of its draw ({one.name}.median)")
                continue
            value, unit = float(p.value), p.unit
            low = p.low if one.low is None else one.low
            high = p.high if one.high is None else one.high
            if low < p.low or high > p.high:
                evidence = f"{p.low:g} to {p.high:g} {p.unit}"
                problems.add(key, f"{one.name}: {low:g} to {high:g} leaves its evidence, {evidence}")
                continue
            value, low, high = (float(internal(v, unit)) for v in (value, low, high))
            sources[one.name] = f"{p.source} [{p.grade}]"
        else:
            problems.add(key, f"{quoted(one.name)} is no parameter of the model{nearest(one.name, known)}")
            continue
        log = one.scale == "log" or (one.scale == "auto" and low > 0 and high / low >= 3.0)
        if not low < high or not low <= value <= high or (log and low <= 0):
            problems.add(key, f"{one.name}: the range {low:g} to {high:g} must hold {value:g} and not be empty")
            continue
        for kept, v in zip((names, centres, lows, highs, logs, units), (one.name, value, low, high, log, unit),
                           strict=True):  # fmt: skip
            kept.append(v)
    if problems:
        return None, (), sources
    return Priors(tuple(names), *(np.array(v, dtype=np.float64) for v in (centres, lows, highs)),
                  np.array(logs, dtype=bool)), tuple(units), sources  # fmt: skip


def shown(problem: FitProblem, place: int, value: float) -> float:
    """A fitted value in the unit a reader knows it by."""
    name, unit = problem.priors.names[place], problem.units[place]
    if "." in name and problem.catalogue.of_drug(name) is None:  # of a draw, in the unit of the draw
        return float(value)
    return float(to_display(value, unit))
