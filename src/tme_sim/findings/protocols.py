"""The best protocol of a study: candidates as scenarios, and the winner as a plain protocol file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.findings.drive import outcome_name
from tme_sim.findings.optimise import Candidate, Constraint, Optimum, optimise
from tme_sim.findings.runs import Runs, plain_study
from tme_sim.findings.table import outcome_of, sense_of
from tme_sim.study.outcomes import better_of

if TYPE_CHECKING:
    from tme_sim.study import Arm, Study

__all__ = ["beside_protocol", "best_protocol", "protocol_text", "values_of"]

ARM = "arm"


@dataclass(frozen=True)
class _Arm:
    """The arm as something to choose."""

    names: tuple[str, ...]
    name: str = ARM

    def at(self, u: float) -> str:
        return self.names[min(int(u * len(self.names)), len(self.names) - 1)]


def best_protocol(
    study: Study, *, outcome: str | None = None, better: str | None = None, aim: str = "mean",
    constraints: Sequence[Constraint] = (), budget: int = 200, seed: int = 0,
    progress: Callable[[str], None] | None = None, store: Any = None, **running: Any,
) -> tuple[Optimum, tuple[str, ...]]:
    """Search the factors of a study (and its arms, if several) for the best protocol; and the names of what is chosen.

    The first half of the replicates choose, the other half judge; a single patient does both, and then nothing says how
    sure the gap is.

    Raises:
        InputError: nothing to choose, or what no protocol holds, an unknown endpoint, or no protocol that keeps the
            constraints.
    """
    _refuse_biology(study)
    outcome = outcome_name(study, outcome)
    sense = sense_of(outcome, better or better_of(study, outcome))
    variables: list[Any] = [f for f in study.factors if f.values or f.high > f.low]
    if len(study.arms) > 1:
        variables.append(_Arm(tuple(a.name for a in study.arms)))
    names = tuple(v.name for v in variables)
    half = (study.replicates + 1) // 2
    patients = {"search": range(half), "fresh": range(half, study.replicates) if study.replicates > 1 else range(1)}
    for constraint in constraints:
        outcome_name(study, constraint.endpoint)
    wanted = tuple(dict.fromkeys((outcome, *(c.endpoint for c in constraints))))
    runs = Runs(plain_study(study), store=store, **running)
    runs.afford(budget * len(patients["search"]), disk_alone=True)  # at most: a search may end before

    def evaluate(candidates: Sequence[tuple], which: str) -> list[dict[str, np.ndarray]]:
        """Outcome and constraints of each candidate over the patients that choose, or those that judge."""
        points = []
        for candidate in candidates:
            values, arm = values_of(study, names, candidate)
            points += [({**study.patient(number), **values}, arm, number) for number in patients[which]]
        table = runs.table(points)
        read = {e: outcome_of(table, e).reshape(len(candidates), -1) for e in wanted}
        return [{e: read[e][i] for e in wanted} for i in range(len(candidates))]

    found = optimise(variables, evaluate, outcome, sense, aim=aim, constraints=constraints, budget=budget, seed=seed,
                     progress=progress)  # fmt: skip
    return found, names


def _refuse_biology(study: Study) -> None:
    """Refuse to choose what a protocol file cannot hold: nobody chooses the biology of a patient."""
    problems = []
    for factor in (*study.factors, *(link.factor for link in study.links)):
        for key in factor.keys:
            if not _of_protocol(key):
                problems.append(Problem(study.path, f"factor {factor.name}", (
                    f"sets {key}, which is no part of a protocol and cannot be chosen; draw it for each patient in "
                    "[[replicates.draw]], set it in [set], or leave it out")))
    for arm in study.arms if len(study.arms) > 1 else ():
        for key in beside_protocol(arm):
            problems.append(Problem(study.path, f"arm {arm.name}", (
                f"sets {key}, which is no part of a protocol, so that the arms are no choice between protocols; take "
                f"one of them with --arm {arm.name}")))
    if problems:
        raise InputError(problems)


def _of_protocol(key: str) -> bool:
    return key.partition(".")[0].strip("\"' ") == "protocol"


def beside_protocol(arm: Arm) -> list[str]:
    """Keys that an arm sets and that a protocol file does not hold."""
    return [key for key in arm.changes if not _of_protocol(key)]


def values_of(study: Study, names: Sequence[str], candidate: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """A candidate as values of factors and the name of an arm."""
    values = dict(zip(names, candidate, strict=True))
    return {k: v for k, v in values.items() if k != ARM}, str(values.get(ARM, study.arms[0].name))


def protocol_text(
    study: Study, names: Sequence[str], candidate: Candidate, name: str, title: str, source: Sequence[str]
) -> str:
    """A candidate as a protocol file that ``tme-sim protocol show`` and a scenario's ``protocol.file`` take.

    Raises:
        InputError: the file would not be read back as the same calendar.
    """
    from tme_sim.toml_writer import write_toml

    values, arm = values_of(study, names, candidate.values)
    scenario = study.scenario(({**study.patient(0), **values}, arm, 0))
    table: dict[str, Any] = dict(scenario.resolved()["protocol"])
    for key in ("schema", "name", "title", "source"):
        table.pop(key, None)
    head: Mapping[str, Any] = {"schema": 1, "name": name, "title": title, "source": list(source)}
    text = write_toml({**head, **_filled(table)})
    again = scenario.changed({"protocol": _protocol_of(text)})
    if [(e.tick, e.kind) for e in again.calendar.entries] != [(e.tick, e.kind) for e in scenario.calendar.entries]:
        raise InputError(Problem(study.path, "protocol", "the best protocol cannot be written as a file of its own"))
    return text


def _filled(value: Any) -> Any:
    """Without what is empty, which a reader takes as not given."""
    if isinstance(value, dict):
        return {k: _filled(v) for k, v in value.items() if v not in ("", [], {})}
    return [_filled(v) for v in value] if isinstance(value, list) else value


def _protocol_of(text: str) -> dict[str, Any]:
    import tomllib

    data = tomllib.loads(text)
    data.pop("schema", None)
    return data
