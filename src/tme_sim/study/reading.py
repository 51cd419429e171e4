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

from tme_sim.calibrated import POSTERIOR_FILE
from tme_sim.diagnostics import InputError, Key, dotted, nearest, parse_toml, quoted, read_text
from tme_sim.kinds import refuse_another_kind
from tme_sim.protocol.files import PROTOCOL_FILE
from tme_sim.quantities import QuantityError, convert, parse_quantity
from tme_sim.scenario import Scenario
from tme_sim.study.definition import Arm, Derived, Outputs, Study
from tme_sim.study.designs import RANDOM, design_points
from tme_sim.study.expressions import ExpressionError, parse_expression
from tme_sim.study.factor_tables import PLAIN, RESERVED, FactorTable, passed_on, try_links, try_rows, with_factors
from tme_sim.study.factors import Value
from tme_sim.study.outcomes import known_text, outcomes_of, texts_of
from tme_sim.study.points_file import read_points
from tme_sim.validation import Model, Problems, check_table

__all__ = ["load_study", "study_from_text"]

MOST_POINTS = 10_000_000  # of one study: reading and planning them takes some 6 GB of memory
HOURS_OF_CELLS = 6  # timeout of a run cell by cell, where the study names none


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
    whole = with_factors(made, factors, draws, problems)
    whole = _with_derived(whole, derived, problems)
    whole = _with_rows(whole, design, replicates, folder, problems)
    if whole.links and not problems:
        try_links(whole, {table.name: key for key, table in (*factors, *draws)}, problems)
    elif design.kind == "list" and not problems:
        try_rows(whole, str(design.file), problems)
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
        passed_on(error, ("base",), problems)
        return None
    for name, value in changes.items():
        try:
            base = base.changed(_from_folder({name: _lists(value)}, folder))
        except InputError as error:
            passed_on(error, ("set", name), problems)
    return base


def _from_folder(changes: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Overrides in which files start from the folder of the study, as the base does."""
    files = {name: changes[name] for name in (PROTOCOL_FILE, POSTERIOR_FILE) if isinstance(changes.get(name), str)}
    return {**changes, **{name: str((folder / file).absolute()) for name, file in files.items() if file.strip()}}


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
                passed_on(error, (*key, "protocol"), problems)
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
            passed_on(error, ("arm", i), problems, f"arm {quoted(arm.name)}: ")
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


# --- derived columns -----------------------------------------------------------------------------------------------


def _with_derived(study: Study, tables: list[tuple[Key, DerivedTable]], problems: Problems) -> Study:
    """The study with its derived columns, and the names of all endpoints checked."""
    outcomes, texts = outcomes_of(study), texts_of()
    made: list[Derived] = []
    links = [link.name for link in study.links]
    numbers = [*(f.name for f in study.all_factors if not f.is_choice), *links, *outcomes]
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
            told = known_text(name, known)
            problems.add(("outputs", "endpoints"), f"{quoted(name)} is no endpoint of this study{told}")
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
        problems.add(("design",), (
            f"asks for {size * len(study.arms) * study.replicates} runs, and one study has at most {MOST_POINTS}: take "
            "fewer levels, n or replicates, or several studies with another seed each"))
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
    chance = any(_has_chance(study.scenario_of_arm(arm.name)) for arm in study.arms)
    if study.replicates > 1 and not patients and not chance:
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
    """Whether two patients with equal values differ: by what is drawn for them, or by their single cells."""
    drawn = base.patient.chance == "drawn" or base.patient.occult is not None or base.imaging.error > 0
    return drawn or base.tissue == "agents"
