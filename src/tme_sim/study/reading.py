"""Study files: TOML read into a frozen, fully checked `Study`, with all mistakes told at once.

Every factor is tried on the base, at its ends and at every listed value, so that one that names nothing or leaves
physical bounds is refused before anything runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tme_sim.diagnostics import InputError, Key, dotted, nearest, parse_toml, quoted, read_text
from tme_sim.kinds import refuse_another_kind
from tme_sim.overrides import locate
from tme_sim.quantities import QuantityError, convert, parse_number_or_quantity, parse_quantity, same_dimension
from tme_sim.scenario import PROTOCOL_FILE, Scenario
from tme_sim.study.definition import Arm, Derived, Outputs, Study
from tme_sim.study.designs import RANDOM, design_points
from tme_sim.study.expressions import ExpressionError, parse_expression
from tme_sim.study.factors import Factor, Value
from tme_sim.study.outcomes import outcomes_of, texts_of
from tme_sim.study.points_file import read_points
from tme_sim.validation import Model, Problems, check_table

__all__ = ["load_study", "study_from_text"]

Cell = float | int | str
PLAIN = r"^[A-Za-z][A-Za-z0-9_]{0,47}$"
RESERVED = ("arm", "replicate", "status", "message")
WHOLE_KEYS = ("times", "maximum", "maximum_per_lesion", "number", "seed", "targets", "per_organ", "max_steps")
DATE_KEYS = ("start", "until")
MOST_POINTS = 50_000_000
HOURS_OF_CELLS = 6  # timeout of a run cell by cell, where the study names none


class FactorTable(Model):
    """One ``[[factor]]``, or one ``[[replicates.draw]]``."""

    name: str = Field(pattern=PLAIN, description="short name: a column of the table")
    key: str | None = Field(None, max_length=200, description="what it sets, in the language of --set")
    keys: tuple[str, ...] | None = Field(None, description="several keys that get the same value")
    label: str = Field("", max_length=80, description="what axes call it")
    low: Cell | None = Field(None, description="smallest value; left out with `high`: the range of the evidence")
    high: Cell | None = Field(None, description="largest value")
    levels: int = Field(5, ge=2, le=10_000, description="how many values a grid takes")
    values: tuple[Cell, ...] | None = Field(None, description="numbers or choices instead of a range")
    unit: str | None = Field(None, max_length=64, description="of a list from a file")
    scale: Literal["linear", "log"] | None = Field(None, description="how values are spread")
    step: Cell | None = Field(None, description="values are rounded to multiples of it")
    relative_to: str | None = Field(None, max_length=80, description='a date counts from this: "first tace"')
    arms: tuple[str, ...] = Field((), description="arms in which it acts; none: all")


class ArmTable(Model):
    """One ``[[arm]]``."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,47}$", description="name of the arm")
    protocol: str | None = Field(None, max_length=400, description="protocol file in place of that of the base")
    set: dict[str, Any] = Field(default_factory=dict, description="overrides of the base")


class DesignTable(Model):
    """``[design]``."""

    kind: Literal["grid", "latin_hypercube", "sobol", "one_at_a_time", "list"] = "grid"
    n: int | None = Field(None, ge=1, le=MOST_POINTS, description="points of a Latin hypercube or Sobol' sequence")
    file: str | None = Field(None, max_length=400, description="CSV of points: one column for each factor")


class ReplicatesTable(Model):
    """``[replicates]``: other patients, the same ones in every arm and at every point."""

    count: int = Field(1, ge=1, le=1_000_000, description="patients at every point")
    file: str | None = Field(None, max_length=400, description="CSV of patients: one column for each draw")


class DerivedTable(Model):
    """One ``[[outputs.derived]]``."""

    name: str = Field(pattern=PLAIN, description="short name: a column of the table")
    expression: str = Field(max_length=1000, description="of endpoints, factors and trajectories: docs/studies.md")
    unit: str = Field("1", max_length=64, description="unit of what it gives")
    label: str = Field("", max_length=80, description="what axes call it")
    better: Literal["higher", "lower"] | None = Field(None, description="which way is better")


class OutputsTable(Model):
    """``[outputs]``."""

    endpoints: tuple[str, ...] = Field((), description="endpoints of the table; none: all.  The first is drawn")
    trajectories: tuple[str, ...] = Field((), description="states and signals kept at `days`")
    days: tuple[int, ...] = Field((), description="days at which trajectories are kept")
    runs: bool = Field(False, description="keep whole run folders")


class Header(Model):
    """What stands at the top of a study."""

    schema_: Literal[1] = Field(1, alias="schema", description="version of this file format")
    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="short name")
    title: str = Field("", max_length=300)
    question: str = Field("", max_length=2000, description="what the study asks")
    base: str = Field(max_length=400, description="scenario file, from the folder of the study")
    seed: int = Field(1, ge=0, lt=2**63, description="of the design's own random numbers")
    timeout: str = Field("120 s", max_length=64, description="a run is given up after this time; cell by cell 6 h")


SECTIONS = ("set", "factor", "arm", "design", "replicates", "outputs", "surface", "optimise")  # the last two: findings


def load_study(path: str | Path, *, mechanisms: Sequence[str | Path] = ()) -> Study:
    """Read a study file and everything it names.

    Raises:
        InputError: with every mistake found.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "study.toml"
    return study_from_text(read_text(path), str(path), mechanisms=mechanisms)


def study_from_text(text: str, name: str = "study.toml", *, mechanisms: Sequence[str | Path] = ()) -> Study:
    """Read a study from text; `name` stands for the file in messages and for relative paths.

    Raises:
        InputError: with every mistake found.
    """
    raw, places = parse_toml(text, name)
    refuse_another_kind(raw, name, "study")
    raw = {k: _tuples(v) for k, v in raw.items()}
    problems = Problems(places)
    folder = Path(name).parent
    head = check_table(Header, {k: v for k, v in raw.items() if k not in SECTIONS}, (), problems, also=SECTIONS)
    design = check_table(DesignTable, raw.get("design", {}), ("design",), problems)
    outputs_raw = raw.get("outputs", {})
    computed = outputs_raw.get("derived", ()) if isinstance(outputs_raw, dict) else ()
    kept = {k: v for k, v in outputs_raw.items() if k != "derived"} if isinstance(outputs_raw, dict) else outputs_raw
    outputs = check_table(OutputsTable, kept, ("outputs",), problems, also=("derived",))
    derived = _tables(DerivedTable, computed, ("outputs", "derived"), problems)
    replicates_raw = raw.get("replicates", {})
    drawn = replicates_raw.get("draw", ()) if isinstance(replicates_raw, dict) else ()
    plain = {k: v for k, v in replicates_raw.items() if k != "draw"} if isinstance(replicates_raw, dict) else ()
    replicates = check_table(ReplicatesTable, plain, ("replicates",), problems, also=("draw",))
    factors = _tables(FactorTable, raw.get("factor", ()), ("factor",), problems)
    draws = _tables(FactorTable, drawn, ("replicates", "draw"), problems)
    arms = _tables(ArmTable, raw.get("arm", ()), ("arm",), problems)
    if not isinstance(raw.get("set", {}), dict):
        problems.add(("set",), "must be a table with keys")
    if head is None or problems:
        raise InputError(problems.ordered())
    base = _base(head, raw.get("set", {}), folder, mechanisms, problems)
    if base is None or problems:
        raise InputError(problems.ordered())
    made = Study(
        head.name, base, (), arms=_arms(arms, folder, problems) or (Arm("base"),), replicates=replicates.count,
        design=design.kind, seed=head.seed, outputs=_outputs(outputs, base, problems),
        timeout=_seconds(head.timeout, problems), title=head.title, question=head.question, path=name,
        mechanisms=tuple(map(str, mechanisms)), text=text,
    )  # fmt: skip
    made = _tried_arms(made, problems)
    if made.agents:
        if "timeout" not in head.model_fields_set:
            made = replace(made, timeout=HOURS_OF_CELLS * 3600.0)
        if made.outputs.columns:
            problems.add(("outputs", "trajectories"), (
                "are not kept of runs cell by cell; take endpoints, or whole run folders with runs = true"))
    whole = _with_factors(made, factors, draws, problems)
    whole = _with_derived(whole, derived, problems)
    whole = _with_rows(whole, design, replicates, folder, problems)
    if problems:
        raise InputError(problems.ordered())
    return whole


def _tuples(value: Any) -> Any:
    """Lists of TOML as the tuples that strict tables hold."""
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    return {k: _tuples(v) for k, v in value.items()} if isinstance(value, dict) else value


def _lists(value: Any) -> Any:
    """The other way round, for what goes into a scenario."""
    if isinstance(value, tuple):
        return [_lists(v) for v in value]
    return {k: _lists(v) for k, v in value.items()} if isinstance(value, dict) else value


def _tables(model: type, raw: Any, key: Key, problems: Problems) -> list[tuple[Key, Any]]:
    if not isinstance(raw, tuple):
        problems.add(key, f"must be a list of tables: write [[{dotted(key)}]] with double brackets")
        return []
    read = [((*key, i), check_table(model, item, (*key, i), problems)) for i, item in enumerate(raw)]
    return [(k, table) for k, table in read if table is not None]


def _base(head: Header, changes: Any, folder: Path, mechanisms: Any, problems: Problems) -> Scenario | None:
    try:
        base = Scenario.load(folder / head.base, mechanisms=mechanisms)
    except InputError as error:
        _passed_on(error, ("base",), problems)
        return None
    for name, value in changes.items():
        try:
            base = base.changed(_from_folder({name: _lists(value)}, folder))
        except InputError as error:
            _passed_on(error, ("set", name), problems)
    return base


def _from_folder(changes: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Overrides in which a protocol file starts from the folder of the study, as the base does."""
    file = changes.get(PROTOCOL_FILE)
    return {**changes, PROTOCOL_FILE: str(folder / file)} if isinstance(file, str) and file.strip() else changes


def _passed_on(error: InputError, key: Key, problems: Problems, about: str = "") -> None:
    """Mistakes that a scenario found, told at a key of the study."""
    for problem in error.problems[:3]:
        text = problem.message if problem.place == "--set" else str(problem)
        named = f"{problem.key}: " if problem.place == "--set" and problem.key else ""
        problems.add(key, f"{about}{named}{text}")


def _seconds(text: str, problems: Problems) -> float:
    try:
        quantity = parse_quantity(text)
        seconds = convert(quantity.value, quantity.unit, "s")
    except QuantityError as error:
        problems.add(("timeout",), str(error))
        return 120.0
    if not 1.0 <= seconds <= 1e6:
        problems.add(("timeout",), f"must lie between 1 s and 1e6 s, not {text}")
    return seconds


def _arms(tables: list[tuple[Key, ArmTable]], folder: Path, problems: Problems) -> tuple[Arm, ...]:
    out: list[Arm] = []
    for key, table in tables:
        if table.name in [a.name for a in out]:
            problems.add((*key, "name"), f"a second arm is named {quoted(table.name)}")
        changes: dict[str, Any] = {}
        if table.protocol is not None:
            path = folder / table.protocol
            try:
                data = parse_toml(read_text(path), str(path))[0]
            except InputError as error:
                _passed_on(error, (*key, "protocol"), problems)
                continue
            data.pop("schema", None)
            changes["protocol"] = data
        more = {k: _lists(v) for k, v in table.set.items()}
        out.append(Arm(table.name, changes | _from_folder(more, folder)))
    return tuple(out)


def _tried_arms(study: Study, problems: Problems) -> Study:
    for i, arm in enumerate(study.arms):
        try:
            study.scenario_of_arm(arm.name)
        except InputError as error:
            _passed_on(error, ("arm", i), problems, f"arm {quoted(arm.name)}: ")
    if problems:
        raise InputError(problems.ordered())
    return study


def _outputs(table: OutputsTable, base: Scenario, problems: Problems) -> Outputs:
    for name in table.trajectories:
        if name not in base.catalogue.states:
            tail = nearest(name, base.catalogue.states)
            problems.add(("outputs", "trajectories"), f"{quoted(name)} is no state or signal of the model{tail}")
    if bool(table.trajectories) != bool(table.days):
        problems.add(("outputs",), "trajectories need days, and days trajectories: give both")
    end = base.stop_tick / 1440
    for day in table.days:
        if not -3650 <= day <= end:
            problems.add(("outputs", "days"), f"day {day} lies outside the run, which ends on day {end:g}")
    return Outputs(table.endpoints, table.trajectories, table.days, table.runs)


# --- factors -------------------------------------------------------------------------------------------------------


def _with_factors(study: Study, tables: list, draws: list, problems: Problems) -> Study:
    taken: dict[str, str] = {}
    known = [a.name for a in study.arms]
    made: list[list[Factor]] = [[], []]
    warnings: list[str] = []
    for at, group in enumerate((tables, draws)):
        for key, table in group:
            for arm in table.arms:
                if arm not in known:
                    problems.add((*key, "arms"), f"{quoted(arm)} is no arm of this study{nearest(arm, known)}")
            if table.name in RESERVED or table.name in [f.name for f in (*made[0], *made[1])]:
                problems.add((*key, "name"), f"{quoted(table.name)} is taken; choose another name")
                continue
            try:
                factor = _factor(study, table)
            except QuantityError as error:
                problems.add(key, f"factor {quoted(table.name)}: {error}")
                continue
            for name in factor.keys:
                clash = next((k for k in taken if f"{k}.".startswith(f"{name}.") or f"{name}.".startswith(f"{k}.")), "")
                if clash:
                    problems.add(key, f"sets {name}, which factor {quoted(taken[clash])} sets as well")
                taken[name] = factor.name
            for arm in study.arms:
                if not factor.arms or arm.name in factor.arms:
                    _felt(study.scenario_of_arm(arm.name), factor, key, problems)
            _try(study, factor, key, problems, warnings)
            made[at].append(factor)
    factors, drawn = map(tuple, made)
    return replace(study, factors=factors, patient_factors=drawn, warnings=tuple(dict.fromkeys(warnings)))


def _factor(study: Study, table: FactorTable) -> Factor:
    """A factor from its table.

    Raises:
        QuantityError: values that cannot be meant.
    """
    if (table.key is None) == (table.keys is None):
        raise QuantityError('give "key", or a list of "keys" that get the same value')
    keys = (table.key,) if table.key is not None else table.keys
    if not keys:
        raise QuantityError('"keys" is empty')
    if PROTOCOL_FILE in keys:
        raise QuantityError("whole protocols are compared in arms: [[arm]] with protocol = FILE for each of them")
    last = keys[0].rpartition(".")[2]
    date = table.relative_to is not None or last in DATE_KEYS
    common = {"name": table.name, "keys": keys, "label": table.label, "arms": table.arms, "levels": table.levels}
    values = table.values
    if values is not None and all(isinstance(v, str) for v in values) and not _measured(values[0]):
        if not values or table.low is not None or table.high is not None:
            raise QuantityError('a list of choices needs at least one of them, and neither "low" nor "high"')
        return Factor(**common, values=values)
    low, high = table.low, table.high
    scale = table.scale
    evidence = _evidence(study.base, keys[0])
    if values is None and low is None and high is None:
        if table.unit is not None:  # the values come from a file
            return Factor(**common, unit=table.unit, date=date, relative_to=table.relative_to or "",
                          whole=_whole(keys[0]))  # fmt: skip
        kind, choices = _natural(study.base, keys[0])
        if kind == "choices":
            return Factor(**common, values=choices)
        if kind == "gain":
            return Factor(**common, low=0.0, high=1.0)
        if evidence is None:
            raise QuantityError('has no values: give "low" and "high", or "values"')
        low, high = (f"{v!r} {evidence.unit}" if evidence.unit != "1" else v for v in (evidence.low, evidence.high))
        if scale is None and evidence.low > 0 and evidence.high / evidence.low >= 10:
            scale = "log"
    given = values if values is not None else (low, high)
    if None in given:
        raise QuantityError('needs both "low" and "high"')
    unit = _unit_of(given, evidence.unit if evidence is not None else "day" if date else "1")
    numbers = tuple(_in_unit(v, unit) for v in given)
    step = 0.0 if table.step is None else _in_unit(table.step, unit)
    whole = _whole(keys[0])
    if whole and any(n != int(n) for n in numbers):
        raise QuantityError(f"{keys[0]} takes whole numbers")
    if date and not same_dimension(unit, "day"):
        raise QuantityError(f'{keys[0]} is a date: write values as times, like "-28 day"')
    if step < 0:
        raise QuantityError("step must not be negative")
    more = {"unit": unit, "step": step, "date": date, "relative_to": table.relative_to or "", "whole": whole}
    if values is not None:
        if len(set(numbers)) != len(numbers):
            raise QuantityError("a value is listed twice")
        return Factor(**common, **more, values=numbers)
    if not numbers[0] < numbers[1]:
        raise QuantityError(f"low ({low}) must lie below high ({high})")
    if scale == "log" and numbers[0] <= 0:
        raise QuantityError("a logarithmic scale needs values above 0")
    return Factor(**common, **more, low=numbers[0], high=numbers[1], scale=scale or "linear")


def _natural(base: Scenario, key: str) -> tuple[str, tuple[str, ...]]:
    """What a key takes by itself: all choices of a hypothesis, a gain from 0 to 1, or nothing of the kind.

    Raises:
        QuantityError: a parameter or hypothesis that is not there, with the nearest name.
    """
    section, _, name = key.rpartition(".")
    if key.startswith("biology.hypotheses."):
        slot, known = key.removeprefix("biology.hypotheses.").strip("\"'"), base.catalogue.hypotheses
        if slot not in known:
            raise QuantityError(f"{quoted(slot)} is no registered hypothesis{nearest(slot, known)}")
        return "choices", tuple(known[slot])
    if section == "biology.gains":
        return "gain", ()
    if section == "parameters" and name not in base.catalogue.names():
        raise QuantityError(f"{quoted(name)} is no parameter of the model{nearest(name, base.catalogue.names())}")
    return "", ()


def _measured(value: Any) -> bool:
    try:
        parse_quantity(value)
    except QuantityError:
        return False
    return True


def _unit_of(given: Sequence[Cell], fallback: str) -> str:
    """The unit of the first value that has one."""
    for value in given:
        if isinstance(value, str):
            return parse_quantity(value).unit
    if fallback == "day":
        raise QuantityError('dates are times with a unit, like "-28 day"')
    return "1"


def _in_unit(value: Cell, unit: str) -> float:
    quantity = parse_number_or_quantity(value, unit, "a value")
    number = quantity.value if quantity.unit == unit else convert(quantity.value, quantity.unit, unit)
    if not math.isfinite(number):
        raise QuantityError("a value is not finite")
    return float(number)


def _evidence(base: Scenario, key: str) -> Any:
    """The declared parameter that a key sets, or None."""
    section, _, name = key.rpartition(".")
    known = base.catalogue.names()
    if name in known and (section in ("parameters", "patient") or section.startswith("patient.lesion")):
        return known[name]
    return None


def _whole(key: str) -> bool:
    """Whether a key holds a whole number."""
    return key.rpartition(".")[2] in WHOLE_KEYS


def _felt(base: Scenario, factor: Factor, key: Key, problems: Problems) -> None:
    """Refuse a value for all lesions that none of them takes, because each has its own."""
    for name in factor.keys:
        section, _, parameter = name.rpartition(".")
        lesions = base.patient.lesion
        if section == "parameters" and parameter in base.catalogue.lesion_parameters and lesions and all(
            parameter in one.parameters for one in lesions
        ):  # fmt: skip
            own = ", ".join(quoted(f"patient.lesion.{one.name or i}.{parameter}") for i, one in enumerate(lesions, 1))
            problems.add(key, f"factor {quoted(factor.name)}: {name} changes nothing, since every lesion has its own "
                              f"{parameter}; vary {own}")  # fmt: skip


def _try(study: Study, factor: Factor, key: Key, problems: Problems, warnings: list[str]) -> None:
    """Put a factor's ends, or its listed values, into the scenario of every arm it acts in."""
    values: Sequence[Value] = factor.values or (factor.at(0.0), factor.at(1.0))
    if not factor.values and math.isnan(factor.low):
        values = ()
    if len(values) > 40:
        values = (*values[:20], *values[-20:])
    for arm in study.arms:
        if factor.arms and arm.name not in factor.arms:
            continue
        base = study.scenario_of_arm(arm.name)
        missing = Problems(problems.places)
        for name in factor.keys:
            locate(base._raw, name, missing)
        about = f"factor {quoted(factor.name)}" + (f" in arm {quoted(arm.name)}" if len(study.arms) > 1 else "")
        told: set[str] = set()
        for value in values or (None,):
            text = None if value is None else factor.written(value)
            try:
                if text is not None:
                    tried = base.changed(dict.fromkeys(factor.keys, text))
                    warnings += [w for w in tried.warnings if w not in base.warnings]
                elif missing:
                    raise InputError(missing.found)
            except InputError as error:
                new = [p for p in error.problems if p.message not in told]
                told |= {p.message for p in new}
                if new:
                    _passed_on(InputError(new), key, problems, f"{about} at {quoted(text)}: ")


# --- derived columns -----------------------------------------------------------------------------------------------


def _with_derived(study: Study, tables: list[tuple[Key, DerivedTable]], problems: Problems) -> Study:
    """The study with its derived columns, and the names of all endpoints checked."""
    outcomes, texts = outcomes_of(study), texts_of()
    made: list[Derived] = []
    numbers = [*(f.name for f in study.all_factors if not f.is_choice), *outcomes]
    taken = {*RESERVED, *numbers, *texts, *(f.name for f in study.all_factors)}
    for key, table in tables:
        if table.name in taken:
            problems.add((*key, "name"), f"{quoted(table.name)} is taken; choose another name")
            continue
        try:
            kept = dict.fromkeys(study.outputs.trajectories, study.outputs.days)
            parse_expression(table.expression, numbers, kept)
            parse_quantity(f"1 {table.unit}" if table.unit != "1" else "1")
        except ExpressionError as error:
            problems.add((*key, "expression"), str(error))
        except QuantityError as error:
            problems.add((*key, "unit"), str(error))
        taken.add(table.name)
        numbers.append(table.name)
        made.append(Derived(table.name, table.expression, table.unit, table.label, table.better or ""))
    known = [*outcomes, *texts, *(d.name for d in made)]
    for name in study.outputs.endpoints:
        if name not in known:
            problems.add(("outputs", "endpoints"), f"{quoted(name)} is no endpoint of this study{nearest(name, known)}")
    return replace(study, outputs=replace(study.outputs, derived=tuple(made)))


# --- points --------------------------------------------------------------------------------------------------------


def _with_rows(
    study: Study, design: DesignTable, replicates: ReplicatesTable, folder: Path, problems: Problems
) -> Study:
    if problems:
        return study
    if not study.factors and design.kind != "grid":
        problems.add(("factor",), "there is none: say what varies with [[factor]]")
        return study
    if design.kind in RANDOM and design.n is None:
        problems.add(("design", "n"), f"is missing: how many points the {design.kind.replace('_', ' ')} has")
        return study
    if design.kind not in RANDOM and design.n is not None:
        problems.add(("design", "n"), f"means nothing for a {design.kind.replace('_', ' ')} design; leave it out")
    if (design.kind == "list") != (design.file is not None):
        problems.add(("design", "file"), 'belongs to kind = "list", which needs it')
        return study
    empty = [f for f in study.factors if not f.values and math.isnan(f.low)]
    if empty and design.kind != "list":
        problems.add(("factor",), f'{quoted(empty[0].name)} has no values: give "low" and "high", or "values"')
        return study
    size = math.prod(len(f.values) or f.levels for f in study.factors) if design.kind == "grid" else design.n or 1
    if size * len(study.arms) * study.replicates > MOST_POINTS:
        problems.add(("design",), f"asks for {size * len(study.arms) * study.replicates} runs; at most {MOST_POINTS}")
        return study
    try:
        if design.kind == "list":
            rows: Any = read_points(folder / design.file, study.factors)
        else:
            centre = [None] * len(study.factors)  # the base's own value
            rows = design_points(design.kind, study.factors, design.n or 0, study.seed, centre)
        patients = _patients(study, replicates, folder, problems)
    except InputError as error:
        problems.found += error.problems
        return study
    whole = replace(study, rows=tuple(rows), patients=patients)
    if study.replicates > 1 and not patients and not _has_chance(study.base):
        problems.add(("replicates",), (
            'makes equal runs: nothing is drawn for a patient of this base; give it [[replicates.draw]], '
            'patient.chance = "drawn", patient.occult or imaging.error'))  # fmt: skip
    return whole


def _patients(
    study: Study, replicates: ReplicatesTable, folder: Path, problems: Problems
) -> tuple[tuple[Value | None, ...], ...]:
    if replicates.file is not None:
        found = read_points(folder / replicates.file, study.patient_factors)
        if len(found) < study.replicates:
            problems.add(("replicates", "file"), f"holds {len(found)} patients, fewer than count = {study.replicates}")
        return tuple(found[: study.replicates])
    if not study.patient_factors:
        return ()
    empty = [f for f in study.patient_factors if not f.values and math.isnan(f.low)]
    if empty:
        problems.add(("replicates", "draw"), f'{quoted(empty[0].name)} has no values: give "low" and "high", or a file')
        return ()
    # another stream than that of the design
    return tuple(design_points("latin_hypercube", study.patient_factors, study.replicates, study.seed ^ 0x5EED))


def _has_chance(base: Scenario) -> bool:
    return base.patient.chance == "drawn" or base.patient.occult is not None or base.imaging.error > 0
