"""Factors of a study file: read from their tables, and each tried on the base before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from tme_sim.diagnostics import InputError, Key, nearest, quoted
from tme_sim.overrides import locate
from tme_sim.protocol.files import PROTOCOL_FILE
from tme_sim.quantities import QuantityError, convert, parse_number_or_quantity, parse_quantity, same_dimension
from tme_sim.scenario import Scenario
from tme_sim.study.definition import Study
from tme_sim.study.expressions import ExpressionError
from tme_sim.study.factors import Factor, Value
from tme_sim.study.keys import IDLE
from tme_sim.study.links import Link, link_of
from tme_sim.study.meaning import declared, settable
from tme_sim.validation import Model, Problems

__all__ = ["PLAIN", "RESERVED", "FactorTable", "passed_on", "try_links", "try_rows", "with_factors"]

Cell = float | int | str
PLAIN = r"^[A-Za-z][A-Za-z0-9_]{0,47}$"
RESERVED = ("arm", "replicate", "status", "message")
WHOLE_KEYS = ("times", "maximum", "maximum_per_lesion", "number", "seed", "targets", "per_organ", "max_steps")
DATE_KEYS = ("start", "until")


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
    expression: str | None = Field(None, max_length=1000, description="it follows from factors above: start + 84 day")
    unit: str | None = Field(None, max_length=64, description="of a list from a file, or of what an expression gives")
    scale: Literal["linear", "log"] | None = Field(None, description="how values are spread")
    step: Cell | None = Field(None, description="values are rounded to multiples of it")
    relative_to: str | None = Field(None, max_length=80, description='a date counts from this: "first tace"')
    arms: tuple[str, ...] = Field((), description="arms in which it acts; none: all")


def passed_on(error: InputError, key: Key, problems: Problems, about: str = "") -> None:
    """Mistakes that a scenario found, told at a key of the study."""
    for problem in error.problems[:3]:
        text = problem.message if problem.place == "--set" else str(problem)
        named = f"{problem.key}: " if problem.place == "--set" and problem.key else ""
        problems.add(key, f"{about}{named}{text}")


class _Once:
    """Passes on the mistakes of several trials, each mistake with the first trial that made it."""

    def __init__(self, problems: Problems):
        self.problems, self.told = problems, set[str]()

    def __call__(self, error: InputError, key: Key, about: str) -> None:
        new = [p for p in error.problems if p.message not in self.told]
        self.told |= {p.message for p in new}
        if new:
            passed_on(InputError(new), key, self.problems, about)


def with_factors(study: Study, tables: list, draws: list, problems: Problems) -> Study:
    """The study with the factors of its tables, each tried on the scenario of every arm; mistakes go to `problems`."""
    taken: dict[str, str] = {}
    known = [a.name for a in study.arms]
    made: list[list[Factor]] = [[], []]
    links: list[Link] = []
    kept: list[tuple[Key, Factor]] = []
    for at, group in enumerate((tables, draws)):
        for key, table in group:
            for arm in table.arms:
                if arm not in known:
                    problems.add((*key, "arms"), f"{quoted(arm)} is no arm of this study{nearest(arm, known)}")
            above = (*made[0], *made[1], *(link.factor for link in links))
            if table.name in RESERVED or table.name in [f.name for f in above]:
                problems.add((*key, "name"), f"{quoted(table.name)} is taken; choose another name")
                continue
            try:
                factor = _factor(study, table)
                if table.expression is not None:
                    links.append(link_of(factor, table.expression, above, table.unit))
                    factor = links[-1].factor
                else:
                    made[at].append(factor)
            except (QuantityError, ExpressionError) as error:
                where = (*key, "expression") if isinstance(error, ExpressionError) else key
                problems.add(where, f"factor {quoted(table.name)}: {error}")
                continue
            for name in factor.keys:
                clash = next((k for k in taken if f"{k}.".startswith(f"{name}.") or f"{name}.".startswith(f"{k}.")), "")
                if clash:
                    problems.add(key, f"sets {name}, which factor {quoted(taken[clash])} sets as well")
                taken[name] = factor.name
            for arm in study.arms:
                if not factor.arms or arm.name in factor.arms:
                    _felt(study.scenario_of_arm(arm.name), factor, key, problems)
            kept.append((key, factor))
    factors, drawn = map(tuple, made)
    whole = replace(study, factors=factors, patient_factors=drawn, links=tuple(links))
    warnings: list[str] = []
    for key, factor in kept:
        if all(factor is not link.factor for link in links):
            _try(whole, factor, key, problems, warnings)
        else:
            _there(whole, factor, key, problems)
    return replace(whole, warnings=tuple(dict.fromkeys(warnings)))


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
    if table.expression is not None:
        return _follower(study, table, common, date)
    if values is not None and all(isinstance(v, str) for v in values) and not _measured(values[0]):
        if not values or table.low is not None or table.high is not None:
            raise QuantityError('a list of choices needs at least one of them, and neither "low" nor "high"')
        return Factor(**common, values=values)
    low, high = table.low, table.high
    scale = table.scale
    evidence = declared(study.base, keys[0])
    if values is None and low is None and high is None:
        if table.unit is not None or date:  # the values come from a file
            return Factor(**common, unit=table.unit or "day", date=date, relative_to=table.relative_to or "",
                          whole=_whole(keys[0]))  # fmt: skip
        kind, choices = _natural(study.base, keys[0])
        if kind == "choices":
            return Factor(**common, values=choices)
        if kind == "gain":
            return Factor(**common, low=0.0, high=1.0)
        if evidence is None:
            raise QuantityError('has no values: give "low" and "high", or "values"; or "unit", if a list has them')
        low, high = (f"{v!r} {evidence.unit}" if evidence.unit != "1" else v for v in (evidence.low, evidence.high))
        if scale is None and evidence.low > 0 and evidence.high / evidence.low >= 10:
            scale = "log"
    given = values if values is not None else (low, high)
    if None in given:
        raise QuantityError('needs both "low" and "high"')
    unit = _unit_of(given, evidence.unit if evidence is not None else "day" if date else "1")
    if date and not same_dimension(unit, "day"):
        unit = "day"
    if evidence is not None and not same_dimension(unit, evidence.unit):
        unit = evidence.unit  # so that the value of another kind is told, and not those that agree
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


def _follower(study: Study, table: FactorTable, common: dict[str, Any], date: bool) -> Factor:
    """A factor without values of its own, which an expression gives.

    Raises:
        QuantityError: values besides, or no unit.
    """
    both = [n for n in ("low", "high", "values", "levels", "scale") if n in table.model_fields_set]
    if both:
        raise QuantityError(f'follows from its "expression" and takes no "{both[0]}"')
    key = common["keys"][0]
    evidence = declared(study.base, key)
    if table.unit is None and evidence is None:
        _natural(study.base, key)  # says where nothing is of that name
    if table.unit is None and evidence is None and not date and not _whole(key) and "biology.gains." not in key:
        raise QuantityError('needs the "unit" of what its expression gives ("1" for a plain number)')
    unit = table.unit or ("day" if date else evidence.unit if evidence is not None else "1")
    if date and not same_dimension(unit, "day"):
        raise QuantityError(f"{key} is a date, which {unit} does not count")
    step = 0.0 if table.step is None else _in_unit(table.step, unit)
    if step < 0:
        raise QuantityError("step must not be negative")
    return Factor(**common, unit=unit, step=step, date=date, relative_to=table.relative_to or "", whole=_whole(key))


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
    if section == "parameters" and declared(base, key) is None:
        raise QuantityError(f"{quoted(name)} is no parameter of the model{nearest(name, settable(base))}")
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


def _whole(key: str) -> bool:
    """Whether a key holds a whole number."""
    return key.rpartition(".")[2] in WHOLE_KEYS


def _felt(base: Scenario, factor: Factor, key: Key, problems: Problems) -> None:
    """Refuse what cannot change a result (a title, say), and a value for all lesions of which each has its own."""
    if all(name.partition(".")[0] in IDLE for name in factor.keys):
        problems.add(key, f"factor {quoted(factor.name)}: {factor.keys[0]} changes no result; vary something else")
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
    """Put a factor's ends, or its listed values, into the scenario of every arm it acts in; with what follows it."""
    values: Sequence[Value] = factor.values or (factor.at(0.0), factor.at(1.0))
    if not factor.values and math.isnan(factor.low):
        values = ()
    if len(values) > 40:
        values = (*values[:20], *values[-20:])
    beside = _beside(study, factor)
    if beside is None or not values:
        _there(study, factor, key, problems)
        return
    for arm in study.arms:
        if factor.arms and arm.name not in factor.arms:
            continue
        base = study.scenario_of_arm(arm.name)
        about = f"factor {quoted(factor.name)}" + (f" in arm {quoted(arm.name)}" if len(study.arms) > 1 else "")
        once = _Once(problems)
        for value in values:
            try:
                changes = study.changes(({**beside, factor.name: value}, arm.name, 0))
                tried = base.changed(changes)
                warnings += [w for w in tried.warnings if w not in base.warnings]
            except InputError as error:
                if not _fits_alone(study, factor, value, base):  # else what follows it does not, which is told there
                    once(error, key, f"{about} at {quoted(factor.written(value))}: ")


def _fits_alone(study: Study, factor: Factor, value: Value, base: Scenario) -> bool:
    """Whether a value of a factor that others follow makes a scenario without them."""
    if not any(factor.name in link.reads for link in study.links):
        return False
    try:
        return bool(base.changed(dict.fromkeys(factor.keys, factor.written(value))))
    except InputError:
        return False


def _there(study: Study, factor: Factor, key: Key, problems: Problems) -> None:
    """Refuse a factor that sets entries which the scenario of an arm does not have."""
    for arm in study.arms:
        if factor.arms and arm.name not in factor.arms:
            continue
        missing = Problems(problems.places)
        for name in factor.keys:
            locate(study.scenario_of_arm(arm.name)._raw, name, missing)
        if missing:
            passed_on(InputError(missing.found), key, problems, f"factor {quoted(factor.name)}: ")


def _beside(study: Study, factor: Factor) -> dict[str, Value] | None:
    """Values of the other factors that what follows `factor` needs: from their middle; None if one has none."""
    out: dict[str, Value] = {}
    known = {f.name: f for f in study.all_factors}
    touched = {factor.name}
    for link in study.links:
        if not touched & set(link.reads):
            continue
        touched.add(link.name)
        for name in link.reads:
            other = known.get(name)
            if other is not None and name != factor.name:
                if not other.values and math.isnan(other.low):
                    return None
                out[name] = other.at(0.5)
    return out


def try_rows(study: Study, file: str, problems: Problems) -> None:
    """Put the rows of a list that hold the smallest and the largest value of a factor into the scenarios."""
    rows: set[int] = set()
    for at, factor in enumerate(study.factors):
        column = {i: row[at] for i, row in enumerate(study.rows) if row[at] is not None}
        if column and not factor.is_choice:
            rows |= {min(column, key=column.get), max(column, key=column.get)}
    once = _Once(problems)
    for at in sorted(rows):
        values = {f.name: v for f, v in zip(study.factors, study.rows[at], strict=True) if v is not None}
        for arm in study.arms:
            try:
                study.scenario((values, arm.name, 0))
            except InputError as error:
                point = ", ".join(f"{n} = {v if isinstance(v, str) else format(v, 'g')}" for n, v in values.items())
                once(error, ("design", "file"), f"{file}, the point {point}: ")


def try_links(study: Study, places: Mapping[str, Key], problems: Problems) -> None:
    """Compute what follows from others at every point, and put its smallest and largest values into the scenarios.

    `places` are the tables of the links by name.
    """
    ends: dict[str, tuple[tuple[float, Mapping[str, Value]], ...]] = {}
    for values in study.rows_and_patients():
        try:
            for name, value in study.linked(values).items():
                least, most = ends.get(name) or ((value, values), (value, values))
                one = (value, values)
                ends[name] = (one if value < least[0] else least, one if value > most[0] else most)
        except InputError as error:
            problem = error.problems[0]
            more = "; take a design that gives it one, or fill its column" if "no value" in problem.message else ""
            problems.add((*places[problem.key], "expression"), f"factor {quoted(problem.key)}: {problem.message}{more}")
            return
    for link in study.links:
        once = _Once(problems)
        for value, values in ends.get(link.name, ()):
            for arm in study.arms:
                if link.factor.arms and arm.name not in link.factor.arms:
                    continue
                try:
                    study.scenario((values, arm.name, 0))
                except InputError as error:
                    known = {**values, **study.linked(values)}
                    at = ", ".join(f"{n} = {known[n]:g}" for n in link.reads)
                    about = f"factor {quoted(link.name)} at {quoted(link.factor.written(value))} ({at}): "
                    once(error, (*places[link.name], "expression"), about)
