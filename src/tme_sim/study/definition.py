"""The study as an object: a base scenario, what varies, and the points that follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from tme_sim.diagnostics import InputError, Problem, nearest, quoted
from tme_sim.study.designs import design_points
from tme_sim.study.factors import Factor, Value
from tme_sim.study.keys import LeafSum, model_digest, short_digest
from tme_sim.study.links import Link, linked_values
from tme_sim.study.meaning import Standing
from tme_sim.study.plan_table import PlanTable

if TYPE_CHECKING:
    from tme_sim.plan import Plan
    from tme_sim.scenario import Scenario

__all__ = ["Arm", "Derived", "Outputs", "Point", "Study"]

Point = tuple[Mapping[str, Value], str, int]  # values of the factors by name, name of the arm, number of the replicate
_Named = TypeVar("_Named", "Factor", "Arm")


@dataclass(frozen=True)
class Arm:
    """One of the treatments compared: overrides of the base, the protocol among them (``{"protocol": {...}}``)."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Derived:
    """A column computed from others by an expression (:mod:`tme_sim.study.expressions`); `better` which way, if any."""

    name: str
    expression: str
    unit: str = "1"
    label: str = ""
    better: str = ""


@dataclass(frozen=True)
class Outputs:
    """What is kept of a run besides all endpoints.

    `endpoints` are those that tables show (none: all), the first of them is drawn.  `trajectories` (names of states and
    signals) are kept at `days` as columns ``NAME_dDAY``, in display units.  `runs` keeps whole run folders.
    `derived` are further columns.
    """

    endpoints: tuple[str, ...] = ()
    trajectories: tuple[str, ...] = ()
    days: tuple[int, ...] = ()
    runs: bool = False
    derived: tuple[Derived, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that trajectories give."""
        return tuple(f"{name}_d{day}" for name in self.trajectories for day in self.days)


@dataclass(frozen=True)
class Study:
    """A checked study; :func:`tme_sim.study.load_study` reads one.

    `rows` are the values of the factors, point by point of the design; each is run in every arm and replicate.
    Replicates are other patients of the same seed (``patient.number``), the same ones in every arm and at every point;
    `patients` gives each of them values of `patient_factors` as well.  `links` are factors that follow from these.
    `given` are points of your own instead.
    """

    name: str
    base: Scenario
    factors: tuple[Factor, ...]
    rows: tuple[tuple[Value | None, ...], ...] = ()
    arms: tuple[Arm, ...] = (Arm("base"),)
    replicates: int = 1
    patient_factors: tuple[Factor, ...] = ()
    patients: tuple[tuple[Value, ...], ...] = ()
    links: tuple[Link, ...] = ()
    design: str = "grid"
    seed: int = 1
    outputs: Outputs = Outputs()
    timeout: float = 120.0  # seconds for one run on its own, beyond which it is given up
    title: str = ""
    question: str = ""
    path: str = ""
    mechanisms: tuple[str, ...] = ()
    text: str = ""
    warnings: tuple[str, ...] = ()
    given: tuple[Point, ...] | None = None

    # --- the plan ------------------------------------------------------------------------------------------------

    @property
    def all_factors(self) -> tuple[Factor, ...]:
        """Factors of the design, then those of the patients."""
        return (*self.factors, *self.patient_factors)

    @property
    def agents(self) -> bool:
        """Whether some arm runs cell by cell: such a run is a task of its own, for a process of its own."""
        return any(self.scenario_of_arm(arm.name).tissue == "agents" for arm in self.arms)

    def factor(self, name: str) -> Factor:
        """The factor called `name`.

        Raises:
            InputError: with the nearest name.
        """
        return self._named("factor", self.all_factors, name)

    def __len__(self) -> int:
        return len(self.given) if self.given is not None else len(self.rows) * len(self.arms) * self.replicates

    def points(self) -> list[Point]:
        """All points in the order of the plan: values of the factors, arm, replicate.

        The rows of the design come slowest, replicates fastest.
        """
        return list(self._points)

    def point(self, ordinal: int) -> Point:
        """The point that stands at `ordinal` of the plan."""
        return self._points[ordinal]

    @cached_property
    def _points(self) -> tuple[Point, ...]:
        if self.given is not None:
            return self.given
        names = [f.name for f in self.factors]
        out: list[Point] = []
        for row in self.rows:
            values = {n: v for n, v in zip(names, row, strict=True) if v is not None}
            for arm in self.arms:
                for number in range(self.replicates):
                    out.append((values | self.patient(number), arm.name, number))
        return tuple(out)

    def patient(self, number: int) -> dict[str, Value]:
        """Values of the patient factors for one replicate."""
        if not self.patients:
            return {}
        return dict(zip((f.name for f in self.patient_factors), self.patients[number], strict=True))

    def rows_and_patients(self) -> Iterator[dict[str, Value]]:
        """Values of the factors row by row for the first patient, then those of the other patients at the first row."""
        names = [f.name for f in self.factors]
        for at, row in enumerate(self.rows):
            values = {n: v for n, v in zip(names, row, strict=True) if v is not None}
            for number in range(len(self.patients) or 1) if at == 0 else (0,):
                yield values | self.patient(number)

    def with_points(self, points: Iterable[Point]) -> Study:
        """The same study over points of your own: (values by factor name, arm, replicate).

        Raises:
            InputError: a value of no factor, or an arm that is not there.
        """
        points = tuple((dict(values), arm, int(number)) for values, arm, number in points)
        for name in dict.fromkeys(n for values, _, _ in points for n in values):
            self.factor(name)
        for arm in dict.fromkeys(arm for _, arm, _ in points):
            self.arm(arm)
        return replace(self, given=points, design="list")

    def with_design(self, kind: str, n: int = 0, *, seed: int | None = None) -> Study:
        """The same study under another design (see :data:`tme_sim.study.designs.DESIGNS`), for all its factors."""
        seed = self.seed if seed is None else seed
        rows = design_points(kind, self.factors, n, seed, [None] * len(self.factors))
        return replace(self, rows=tuple(rows), design=kind, seed=seed, given=None)

    def arm(self, name: str) -> Arm:
        """The arm called `name`.

        Raises:
            InputError: with the nearest name.
        """
        return self._named("arm", self.arms, name)

    def _named(self, kind: str, items: Iterable[_Named], name: str) -> _Named:
        """The one of `items` called `name`; `kind` is what a message calls them."""
        known = {one.name: one for one in items}
        if name not in known:
            raise InputError(Problem(self.path, quoted(name), f"is no {kind} of this study{nearest(name, known)}"))
        return known[name]

    # --- what a point means ----------------------------------------------------------------------------------------

    def linked(self, values: Mapping[str, Value]) -> dict[str, float]:
        """Values of the factors that follow from others, where those have `values`; none where none of them has one.

        Raises:
            InputError: only some of them have a value, or there is no number.
        """
        return linked_values(self.links, values, self.path)

    def changes(self, point: Point) -> dict[str, Any]:
        """The overrides of a point on the scenario of its arm, as ``--set`` takes them.

        Raises:
            InputError: as :meth:`linked`.
        """
        values, arm, number = point
        out: dict[str, Any] = {}
        for factor in self.all_factors:
            if factor.name in values and (not factor.arms or arm in factor.arms):
                text = factor.written(values[factor.name])
                for key in factor.keys:
                    out[key] = text
        linked = self.linked(values) if self.links else {}
        for link in self.links:
            if link.name in linked and (not link.factor.arms or arm in link.factor.arms):
                out |= dict.fromkeys(link.factor.keys, link.factor.written(linked[link.name]))
        if number:
            out["patient.number"] = self.base.patient.number + number
        return out

    def scenario(self, point: Point) -> Scenario:
        """The checked scenario of a point.

        Raises:
            InputError: the values make no scenario.
        """
        return self.scenario_of_arm(point[1]).changed(self.changes(point))

    def scenario_of_arm(self, name: str) -> Scenario:
        """The scenario that the points of an arm start from."""
        if name not in self._scenarios:
            arm = self.arm(name)
            self._scenarios[name] = self.base.changed(arm.changes) if arm.changes else self.base
        return self._scenarios[name]

    def plan(self, point: Point) -> Plan:
        """The plan of a point.

        Raises:
            InputError: as :meth:`scenario`.
        """
        from tme_sim.plan import plan_of

        return plan_of(self.scenario(point))

    def plans(self) -> Iterator[Plan]:
        """The plans of all points, one after the other."""
        return (self.plan(point) for point in self._points)

    @cached_property
    def _scenarios(self) -> dict[str, Scenario]:
        return {}

    # --- keys ------------------------------------------------------------------------------------------------------

    @cached_property
    def model_digest(self) -> str:
        """Digest of the code and data that run it."""
        return model_digest(self.base.catalogue.own)

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The key of every point in the store; equal runs have equal keys."""
        sums: dict[str, LeafSum] = {}
        held: dict[str, dict[str, str]] = {}
        standing: dict[str, Standing] = {}
        paths: dict[tuple[str, str], str] = {}
        extra = [list(self.outputs.trajectories), list(self.outputs.days)] if self.outputs.columns else []
        out = []
        for point in self._points:
            arm = point[1]
            if arm not in sums:
                sums[arm] = LeafSum(self.scenario_of_arm(arm).resolved())
                standing[arm] = Standing(self.scenario_of_arm(arm))
                held[arm] = self.scenario_of_arm(arm).contents()  # a file that was changed makes another run
                fitted = self.scenario_of_arm(arm).calibrated
                held[arm] |= {} if fitted is None else {"posterior": fitted.digest}
            leaves = {}
            changes = self.changes(point)
            idle = standing[arm].idle(changes)
            for name, value in changes.items():
                if name in idle:
                    continue
                if (arm, name) not in paths:
                    paths[arm, name] = self.scenario_of_arm(arm).path_of(name)
                leaves[paths[arm, name]] = value
            more = [*extra, held[arm]] if held[arm] else extra
            out.append(short_digest(self.model_digest, sums[arm].changed(leaves).to_bytes(32, "big").hex(), more))
        return tuple(out)

    @cached_property
    def plan_table(self) -> PlanTable:
        """The plan as a table of keys and columns, which a store keeps."""
        shown = (*self.outputs.endpoints, *self.outputs.columns) if self.outputs.endpoints else ()
        factors = tuple((f.name, f.unit, f.title, f.is_choice) for f in self.all_factors)
        values = [[v.get(f.name) for v, _, _ in self._points] for f in self.all_factors]
        about = {"name": self.name, "title": self.title, "question": self.question, "design": self.design}
        arms, numbers = [a for _, a, _ in self._points], [n for _, _, n in self._points]
        derived = tuple((d.name, d.expression, d.unit, d.label) for d in self.outputs.derived)
        kept = dict.fromkeys(self.outputs.trajectories, self.outputs.days) if derived else {}
        followed = [self.linked(v) for v, _, _ in self._points] if self.links else []
        linked = tuple((link.name, link.factor.unit, f"{link.factor.title}: {link.expression.text}",
                        [v.get(link.name) for v in followed]) for link in self.links)  # fmt: skip
        return PlanTable(about, factors, values, arms, numbers, shown, self.keys, derived, kept, linked)

    def shard(self, number: int, of: int) -> list[int]:
        """Ordinals of shard `number` (from 1) of `of`."""
        return list(range(number - 1, len(self), of))

    def columns(self) -> dict[str, Any]:
        """Factor columns, "arm" and "replicate" as arrays, in the order of the plan."""
        return self.plan_table.columns()
