"""From the overrides of a point to its row, many points at a time; used in this process and in workers.

Scenarios that differ only in parameters, gains and the number of the patient share what is checked and dated once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.diagnostics import InputError, Places
from tme_sim.engine.batch import zeros_throughout
from tme_sim.ensemble import Series, run_rows
from tme_sim.outcome import SimulationError
from tme_sim.plan import Plan, plan_of, with_values
from tme_sim.row import BAD_INPUT, CRASHED, FAILED, Row
from tme_sim.simulation import SetUp, simulate, structures
from tme_sim.study.definition import Outputs, Study
from tme_sim.study.meaning import Direct, meaning_of
from tme_sim.validation import Problems

if TYPE_CHECKING:
    from tme_sim.scenario import Scenario

__all__ = ["Recipe", "Runner", "recipe_of", "runner_of"]

REMEMBERED = 512  # scenarios with their calendars
Recipe = dict[str, Any]  # plain data: what a worker needs to know of a study


def recipe_of(study: Study) -> Recipe:
    """What makes the same runner in another process, as plain data."""
    return {
        "raw": study.base._raw,
        "name": study.base.name,
        "mechanisms": [str(Path(m).resolve()) for m in study.mechanisms],
        "arms": {arm.name: dict(arm.changes) for arm in study.arms},
        "trajectories": list(study.outputs.trajectories),
        "days": list(study.outputs.days),
    }


def runner_of(recipe: Recipe) -> Runner:
    """The runner of a recipe.

    Raises:
        InputError: a base that is no scenario here (its mechanism files are missing, say).
    """
    from tme_sim.catalogue import load_catalogue
    from tme_sim.scenario import Scenario

    places = Places(recipe["name"])
    base = Scenario._built(recipe["raw"], places, Problems(places), load_catalogue(recipe["mechanisms"]))
    arms = {name: base.changed(changes) if changes else base for name, changes in recipe["arms"].items()}
    return Runner(arms, Outputs((), tuple(recipe["trajectories"]), tuple(recipe["days"])))


class Runner:
    """Runs points of a study.  `arms` are checked scenarios by name."""

    def __init__(
        self, arms: Mapping[str, Scenario], outputs: Outputs, announce: Callable[[str], None] | None = None
    ):
        self.arms = arms
        self.series = Series(outputs.trajectories, outputs.days) if outputs.columns else None
        self.set_up = structures(announce)
        self._cells: set[str] = set()  # digests of models whose laws are compiled cell by cell
        self._known: OrderedDict[tuple, tuple[Scenario, Plan]] = OrderedDict()
        self._meanings: dict[tuple[str, str], Direct | None] = {}

    def scenario(self, arm: str, changes: Mapping[str, Any]) -> Scenario:
        """The checked scenario of a point.

        Raises:
            InputError: the overrides make none.
        """
        return self.arms[arm].changed(changes)

    def plan(self, arm: str, changes: Mapping[str, Any]) -> Plan:
        """The plan of a point, the same as that of its :meth:`scenario`.

        Raises:
            InputError: the overrides make no scenario.
        """
        direct: list[tuple[Direct, Any]] = []
        dating: dict[str, Any] = {}  # all that is not direct
        for name, value in changes.items():
            meant = self._means(arm, name)
            read = None if meant is None else meant.read(value)
            if read is None:
                dating[name] = value
            else:
                direct.append((meant, read))
        scenario, plan = self._dated(arm, dating)
        if not direct:
            return plan
        return with_values(plan, _with_values(scenario, direct))

    def _means(self, arm: str, name: str) -> Direct | None:
        if (arm, name) not in self._meanings:
            self._meanings[arm, name] = meaning_of(self.arms[arm], name)
        return self._meanings[arm, name]

    def _dated(self, arm: str, changes: Mapping[str, Any]) -> tuple[Scenario, Plan]:
        key = (arm, *sorted((k, repr(v)) for k, v in changes.items()))
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        scenario = self.scenario(arm, changes) if changes else self.arms[arm]
        self._known[key] = scenario, plan_of(scenario)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]

    def prepare(self, points: Sequence[tuple[str, Mapping[str, Any]]], at_once: int = 1) -> None:
        """Compile what some points need for so many runs at once, so that no run has to; points that make no model are
        passed over.
        """
        from tme_sim.compiler.model import BaselineError
        from tme_sim.network import NetworkError

        for arm, changes in points:
            try:
                plan = self.plan(arm, changes)
                one = self.set_up(plan)
                if plan.piece is not None:
                    self._prepare_tissue(plan, one)
                    continue
                _, places, values = one.jumps.arrays()
                one.model.lanes(*zeros_throughout(one.y0[None], one.u0[None], places, values[None]), number=at_once)
            except (InputError, NetworkError, BaselineError, SimulationError, ValueError, KeyError):
                continue  # its row will tell

    def _prepare_tissue(self, plan: Plan, one: SetUp) -> None:
        """Compile the laws of a model cell by cell, once, by a run of one exchange between cells and equations."""
        import numpy as np

        from tme_sim.tissue.course import integrate

        if one.model.digest not in self._cells:
            self._cells.add(one.model.digest)
            first = replace(plan, stop=plan.start + 1)
            integrate(first, one, np.array([plan.start]), None, None, None, None)

    def rows(self, points: Sequence[tuple[str, Mapping[str, Any]]], threads: int = 1) -> list[Row]:
        """The row of each point (arm, overrides), in order; a point that cannot be run has a row that says so."""
        rows: list[Row | None] = [None] * len(points)
        plans: list[tuple[int, Plan]] = []
        for i, (arm, changes) in enumerate(points):
            try:
                plans.append((i, self.plan(arm, changes)))
            except InputError as error:
                rows[i] = Row(BAD_INPUT, str(error).replace("\n", "; "))
        done = run_rows([plan for _, plan in plans], threads=threads, set_up=self.set_up, series=self.series)
        for (i, _), row in zip(plans, done, strict=True):
            rows[i] = row
        return rows

    def folder(self, arm: str, changes: Mapping[str, Any], target: Path) -> Row:
        """Run one point and keep its whole run folder; the row is that of :meth:`rows`."""
        row = self.rows([(arm, changes)])[0]
        if row.status != "ok":
            return row
        try:
            simulate(self.scenario(arm, changes)).save(target, force=target.exists())
        except SimulationError as error:
            return Row(FAILED, str(error))
        except (InputError, OSError) as error:  # a full disk, say: no fault of the run, so that --retry makes it again
            return Row(CRASHED, str(error).replace("\n", "; "))
        return row


def _with_values(scenario: Scenario, values: Iterable[tuple[Direct, Any]]) -> Scenario:
    """A copy of a scenario with checked values put in; it shares what they leave alone."""
    number, lesions = scenario.patient.number, list(scenario.patient.lesion)
    parameters, gains = dict(scenario.parameters), {}
    for meant, value in values:
        if meant.kind == "patient":
            number = value
        elif meant.kind == "lesion":
            own = {**lesions[meant.lesion].parameters, meant.name: value}
            lesions[meant.lesion] = lesions[meant.lesion].model_copy(update={"parameters": own})
        else:
            (parameters if meant.kind == "parameter" else gains)[meant.name] = value
    changes: dict[str, Any] = {
        "parameters": parameters,
        "patient": scenario.patient.model_copy(update={"number": number, "lesion": tuple(lesions)}),
    }
    if gains:
        changes["biology"] = scenario.biology.model_copy(update={"gains": scenario.biology.gains | gains})
    return scenario.model_copy(update=changes)
