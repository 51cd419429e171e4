"""Well-mixed individuals that live by the generated per-actor functions, and the rate that so many of them show.

One process at a time, with everything else frozen.  Each individual has its own local oxygen, drawn by the shares of
the tissue's oxygen classes, and sees all else as the mean field does.  What is drawn follows the kind of process:

* division, death, transition, and decay of cells or vessels: during a step `dt` an individual has its event with
  probability ``1 - exp(-hazard*dt)``;
* arrival of cells or vessels: a Poisson number at each of many sites;
* contact: targets and actors lie at random in a box with periodic walls; each pair closer than the radius of the
  contact volume ends the target with probability ``1 - exp(-hazard*dt)``;
* secretion, uptake, exchange, and arrival and decay of levels and amounts: a plain sum over individuals.

A rate is estimated per oxygen class by ``-log(1 - events/individuals)/dt`` (with one half added to both counts, which
takes its bias away), so that a long step costs nothing, and comes with its standard error.  Numbers are drawn by the engine's counter-based generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from scipy.spatial import cKDTree

from tme_sim.compiler.model import CompiledModel, actors
from tme_sim.engine.rng import PURPOSES, poisson, uniform
from tme_sim.mechanisms.closure import OXYGEN_CLASSES
from tme_sim.network import OXYGEN, Process
from tme_sim.quantities import internal

SEED = 20240229
FIRES = 0.6  # probability of an event within the step, for the individual with the largest hazard
MIXED, SITES, PLACES = np.uint64(PURPOSES["test"]), np.uint64(PURPOSES["recruitment"]), np.uint64(PURPOSES["placement"])
MOST = 4_000_000
SITE_COUNT = 500


class Environment:
    """Everything that is frozen: one instant of a compiled model, read by name for one lesion."""

    def __init__(self, model: CompiledModel, y, u, th, lesion: int = 0):
        self.model, self.y, self.u, self.th, self.lesion = model, y, u, th, lesion
        out = np.zeros(len(model.node_names))
        model.observe(y, u, th, out)
        self.out = out
        layout = model.layout
        self.vectors = ((layout.theta, th), (layout.held, u), (layout.nodes, out), (layout.states, y))
        self.values = {}
        for table, vector in self.vectors:
            for name in table["body"] + table["lesion"]:
                self.values[name] = float(vector[layout.index(table, name, lesion)])
        for name, (rest, unit) in model.network.rests.items():
            self.values.setdefault(name, internal(rest, unit) if not isinstance(rest, tuple) else rest)

    def at(self, lesion: int) -> Environment:
        """The same instant, seen from another lesion."""
        return Environment(self.model, self.y, self.u, self.th, lesion)

    def rate(self, process: Process) -> float:
        """Rate of the mean field."""
        return self.values[f"rate_{process.name}"]

    def shares(self) -> np.ndarray:
        """Share of the tissue in each oxygen class."""
        return np.array([self.values[f"oxygen_share_{k}"] for k in range(len(OXYGEN_CLASSES))])


def argument_names(function) -> tuple[str, ...]:
    """Names that a generated per-actor function reads."""
    code = function.py_func.__code__
    return code.co_varnames[: code.co_argcount]


@dataclass(frozen=True)
class Sight:
    """What individuals see of one process: the law in each kind of place, and the share of them that is there."""

    shares: np.ndarray
    laws: np.ndarray

    @property
    def mean(self) -> float:
        """Mean over individuals."""
        return float(self.shares @ self.laws)


def sight(environment: Environment, process: Process, distort: float = 1.0) -> Sight:
    """Evaluate the generated per-actor function of `process` at each local oxygen; `distort` makes it wrong."""
    function = getattr(actors(environment.model), f"actor_{process.name}")
    names = argument_names(function)
    if OXYGEN not in names:
        law = function.py_func(*(environment.values[n] for n in names))
        return Sight(np.ones(1), np.array([distort * law]))
    laws = [
        function.py_func(*(level if n == OXYGEN else environment.values[n] for n in names)) for level in OXYGEN_CLASSES
    ]
    return Sight(environment.shares(), distort * np.array(laws))


@numba.njit
def live(seed, case, n, cumulative, chance, count, events):
    """One step of n individuals: each finds itself in a class and may have its event."""
    for i in range(n):
        place = uniform(seed, 0, i, case, MIXED, 0)
        k = 0
        while k < cumulative.size - 1 and place > cumulative[k]:
            k += 1
        count[k] += 1
        if uniform(seed, 0, i, case, MIXED, 1) < chance[k]:
            events[k] += 1


@numba.njit
def arrive(seed, case, cumulative, means):
    """Poisson arrivals at each site, in a place drawn by its share; returns their total."""
    total = 0
    for i in range(SITE_COUNT):
        place = uniform(seed, 0, i, case, MIXED, 0)
        k = 0
        while k < cumulative.size - 1 and place > cumulative[k]:
            k += 1
        total += poisson(seed, 0, i, case, SITES, 0, means[k])
    return total


@numba.njit
def scatter(seed, case, first, points, side):
    """Fill points (n, 3) with uniform places in a box."""
    for i in range(points.shape[0]):
        for j in range(3):
            points[i, j] = side * uniform(seed, first, i, case, PLACES, j)


@dataclass(frozen=True)
class Shown:
    """Rate that the individuals showed, its standard error, the mean field's rate, and how many individuals there were.

    `error` is 0 for sums.
    """

    rate: float
    error: float
    expected: float
    individuals: int

    @property
    def z(self) -> float:
        """Deviation in standard errors (for sums: relative deviation in units of 1e-9)."""
        if self.error == 0.0:
            scale = 1e-9 * max(abs(self.expected), abs(self.rate))
            return (self.rate - self.expected) / scale if scale else 0.0
        return (self.rate - self.expected) / self.error


def is_drawn(process: Process, kind_of: dict[str, str]) -> bool:
    """Whether events of this process are drawn one by one (else it is a sum); `kind_of` maps species to their kind."""
    discrete = kind_of.get(process.of) in ("cell", "vessel")
    return process.kind in ("division", "death", "transition", "contact") or (
        process.kind in ("decay", "arrival") and discrete
    )


def actors_now(environment: Environment, process: Process) -> float:
    """Number (or amount) that the mean field multiplies the law by."""
    names = {
        "division": [process.of], "death": [process.of], "transition": [process.of], "decay": [process.of],
        "secretion": [process.by], "uptake": [process.by], "contact": [process.of, process.by, process.reach],
    }.get(process.kind, [])
    return math.prod(environment.values[n] for n in names)


def show(environment: Environment, process: Process, case: int, error: float = 0.01, distort: float = 1.0) -> Shown:
    """Run individuals through `process` and compare with the mean field, both per actor (contact: per target).

    There are as many individuals as make the standard error `error` of the rate, at most 4e6.  `case` numbers the
    stream of random numbers.

    Raises:
        ValueError: for a hazard or an arrival that is negative or not a number, which no individual can have.
    """
    seen = sight(environment, process, distort)
    if not (seen.laws >= 0.0).all():
        raise ValueError(f"{process.name}: an individual cannot have the hazard {seen.laws.min():g}")
    if process.kind == "contact":
        return _touch(environment, process, seen, case, error)
    number = actors_now(environment, process)
    expected = environment.rate(process) / number if number else seen.mean / distort
    if seen.laws.max() == 0.0:
        return Shown(0.0, 0.0, expected, 0)
    cumulative = np.cumsum(seen.shares) / seen.shares.sum()
    if process.kind == "arrival":
        return _arrivals(seen, cumulative, case, error, expected)
    dt = -math.log1p(-FIRES) / seen.laws.max()
    fires = -np.expm1(-seen.laws * dt)
    one = (seen.shares * fires / (1.0 - fires)).sum() / dt**2 + seen.shares @ (seen.laws - seen.mean) ** 2
    n = min(MOST, max(2000, math.ceil(one / (error * seen.mean) ** 2)))
    count, events = np.zeros(seen.laws.size, dtype=np.int64), np.zeros(seen.laws.size, dtype=np.int64)
    live(SEED, case, n, cumulative, fires, count, events)
    rate = float((count / n) @ _hazard(count, events, dt))
    return Shown(rate, math.sqrt(one / n), expected, n)


def _hazard(count, events, dt: float):
    """Hazards that let `events` of `count` happen within `dt`."""
    return -np.log((count - events + 0.5) / (count + 0.5)) / dt


def _arrivals(seen: Sight, cumulative, case: int, error: float, expected: float) -> Shown:
    """Arrivals at sites that share the tissue; the volume is chosen for the number that `error` asks for."""
    spread = (seen.shares @ (seen.laws - seen.mean) ** 2) / seen.mean**2 / SITE_COUNT
    if spread >= error**2:
        raise ValueError("more sites are needed for this error")
    amount = 1.0 / (error**2 - spread)
    total = arrive(SEED, case, cumulative, seen.laws / seen.mean * amount / SITE_COUNT)
    return Shown(total / amount * seen.mean, error * seen.mean, expected, SITE_COUNT)


def _touch(environment: Environment, process: Process, seen: Sight, case: int, error: float) -> Shown:
    """Targets and actors at random places of a box; only those that touch matter."""
    density, volume = environment.values[process.by], environment.values[process.reach]
    expected = environment.rate(process) / environment.values[process.of]
    if seen.laws.max() == 0.0 or density == 0.0:
        return Shown(0.0, 0.0, expected, 0)
    dt = -math.log1p(-FIRES) / seen.laws.max()
    fires = -np.expm1(-seen.laws * dt)
    per_pair = (seen.shares * fires / (1.0 - fires)).sum() / dt**2 + seen.shares @ seen.laws**2
    pairs = per_pair / (error * seen.mean) ** 2
    n = min(MOST, math.ceil(pairs / (density * volume)))
    actors_count = 20_000
    side = (actors_count / density) ** (1 / 3)
    targets, others = np.empty((n, 3)), np.empty((actors_count, 3))
    scatter(SEED, case, 1, targets, side)
    scatter(SEED, case, 2, others, side)
    radius = (3.0 * volume / (4.0 * math.pi)) ** (1 / 3)
    touched = cKDTree(others, boxsize=side).query_ball_point(targets, radius, return_length=True)
    rate = error_squared = 0.0
    place = np.searchsorted(np.cumsum(seen.shares) / seen.shares.sum(), _uniforms(n, case), side="left")
    for k in range(seen.laws.size):
        mine = int(touched[place == k].sum())
        if mine == 0:
            continue
        count, events = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        live(SEED, case * 64 + k + 1_000_000, mine, np.ones(1), fires[k : k + 1], count, events)
        rate += mine / n * float(_hazard(count, events, dt)[0])
        error_squared += mine * (fires[k] / (1.0 - fires[k]) / dt**2 + seen.laws[k] ** 2) / n**2
    return Shown(rate, math.sqrt(error_squared), expected, n)


@numba.njit
def _fill(seed, case, values):
    for i in range(values.size):
        values[i] = uniform(seed, 3, i, case, MIXED, 0)


def _uniforms(n: int, case: int) -> np.ndarray:
    values = np.empty(n)
    _fill(SEED, case, values)
    return values


def total(environment: Environment, process: Process, distort: float = 1.0) -> Shown:
    """Plain sum over individuals against the rate of the mean field; 1000 individuals share what is there."""
    seen = sight(environment, process, distort)
    each = actors_now(environment, process) / 1000.0
    rate = sum(share * each * law for share, law in zip(seen.shares, seen.laws, strict=True) for _ in range(1000))
    return Shown(rate, 0.0, environment.rate(process), 1000)


def changes(process: Process) -> list[tuple[str, float | str]]:
    """What one event (or one unit of flow) does to the states: species and amount, or the name of the amount."""
    own = {"division": 1.0, "arrival": 1.0, "secretion": 1.0}.get(process.kind, -1.0)
    return [(process.of, own), *process.into]
