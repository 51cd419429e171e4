"""Which processes moved a state over a period, and which arrows moved those processes.

First level: the rate of every process that touches the state, times what one event does to it, is integrated over the
dense output of each accepted step (Gauss-Legendre, five points).  With the sudden changes of the calendar these
contributions add up to the actual change; what is left is the residual, reported with every result.

Second level: each rate is compared with its untreated value.  A rate is a product (law, arrows, amounts of those that
act; with oxygen, a sum of such products over the classes of tissue), and the logarithmic mean divides a change of a
product among its factors without remainder (LMDI-I: Ang, doi 10.1016/j.enpol.2003.10.010):

    w - w0 = sum over factors of L(w, w0) * log(x/x0),    L(w, w0) = (w - w0) / log(w/w0).

Where one of the two rates is 0, the limit holds: all of the change belongs to the factor that is 0 in it, in equal
parts if there are several (Ang and Liu, doi 10.1016/j.enpol.2005.11.001).  Where a factor changes its sign there is no
logarithm; the change is then booked to the law as a whole.  The sum over processes and factors, with the drift of the
untreated state and the sudden changes, is the change of the state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.diagnostics import InputError, Problem, nearest
from tme_sim.network import OXYGEN, Process, actors_of, arguments
from tme_sim.quantities import internal, to_display

if TYPE_CHECKING:
    from tme_sim.compiler.model import CompiledModel

__all__ = ["Attribution", "Contribution", "Factor", "attribute", "attribute_records"]

NODES, WEIGHTS = (tuple(float(v) for v in part) for part in np.polynomial.legendre.leggauss(5))
TICKS_PER_DAY = 1440.0
ROUNDING = 1e-10  # a difference between two steps below this share of the state is rounding of the dense output
SAME_TIME = 1e-9  # days
RTOL = 1e-6  # of a run made for its attribution
HEADS = ("process", "lesion", "what happens", "change", "share")
FACTOR_HEADS = ("process", "lesion", "factor", "what it is", "change")


@dataclass(frozen=True)
class Contribution:
    """What one process did to the state: signed `amount` (internal unit), and its share of all that moved it.

    `lesion` counts from 1; 0 stands for the body.
    """

    process: str
    label: str
    lesion: int
    amount: float
    share: float


@dataclass(frozen=True)
class Factor:
    """Part of a process's contribution that one factor of its rate brought about, against the untreated rate.

    `kind` is "arrow" (a modulation), "law" (what the law itself reads), "oxygen" (the oxygen of the tissue) or "amount"
    (how many act, or what one event brings).
    """

    process: str
    lesion: int
    name: str
    kind: str
    label: str
    amount: float


@dataclass(frozen=True)
class Attribution:
    """Which processes moved a state between two days.  Amounts are in internal units, tables in `unit`.

    `gross` is everything that moved the state, in either direction; `jumps` are sudden changes (day, amount); `drift`
    is what the untreated rates alone would have done; `factors` divide the rest among arrows, laws and amounts.
    """

    state: str
    label: str
    lesion: int
    unit: str
    start_day: float
    end_day: float
    start: float
    end: float
    contributions: tuple[Contribution, ...]
    jumps: tuple[tuple[float, float], ...]
    residual: float
    gross: float
    drift: float = 0.0
    factors: tuple[Factor, ...] = field(default=())

    @property
    def change(self) -> float:
        """Change of the state from the first to the last day."""
        return self.end - self.start

    @property
    def residual_share(self) -> float:
        """Size of what is not explained, relative to everything that moved the state."""
        return abs(self.residual) / self.gross if self.gross else 0.0

    def to_table(self) -> list[dict[str, Any]]:
        """Rows (process, lesion, what happens, change in `unit`, share), largest first, then jumps and residual."""
        rows = [
            dict(zip(HEADS, (c.process, c.lesion, c.label, self._shown(c.amount), c.share), strict=True))
            for c in self.contributions
        ]
        for day, amount in self.jumps:
            share = abs(amount) / self.gross if self.gross else 0.0
            what = f"sudden change on day {day:g}"
            rows.append(dict(zip(HEADS, ("calendar", self.lesion, what, self._shown(amount), share), strict=True)))
        last = ("residual", self.lesion, "not explained", self._shown(self.residual), self.residual_share)
        return [*rows, dict(zip(HEADS, last, strict=True))]

    def to_factor_table(self) -> list[dict[str, Any]]:
        """Rows (process, lesion, factor, what it is, change in `unit`) against the untreated rates, largest first."""
        return [
            dict(zip(FACTOR_HEADS, (f.process, f.lesion, f.name, f.label, self._shown(f.amount)), strict=True))
            for f in self.factors
        ]

    def by_arrow(self) -> dict[str, float]:
        """Change in `unit` by arrow, over all processes it multiplies, largest first."""
        sums: dict[str, float] = {}
        for f in self.factors:
            if f.kind == "arrow":
                sums[f.name] = sums.get(f.name, 0.0) + float(self._shown(f.amount))
        return dict(sorted(sums.items(), key=lambda item: -abs(item[1])))

    @property
    def text(self) -> str:
        """Both tables as text, without rows below a thousandth of everything."""
        where = f", lesion {self.lesion}" if self.lesion else ""
        start, end, change = (float(self._shown(v)) for v in (self.start, self.end, self.change))
        lines = [
            f"{self.state}: {self.label}{where}, day {self.start_day:g} to {self.end_day:g}",
            f"{start:.4g} -> {end:.4g} {self.unit} ({change:+.4g})",
            "",
        ]
        lines += _aligned([
            (f"{row['change']:+.4g}", f"{100 * row['share']:.1f} %", _named(row), row["what happens"])
            for row in self.to_table()
            if row["share"] >= 1e-3 or row["process"] == "residual"
        ])
        if self.factors:
            lines += ["", f"against the untreated rates (these alone: {float(self._shown(self.drift)):+.4g})", ""]
            lines += _aligned([
                (f"{row['change']:+.4g}", _named(row), row["factor"], row["what it is"])
                for row, factor in zip(self.to_factor_table(), self.factors, strict=True)
                if abs(factor.amount) >= 1e-3 * self.gross
            ])
        return "\n".join(lines)

    def draw(self, out: str | Path) -> Path:
        """Write a figure of both tables as PNG to `out` and return its path."""
        from tme_sim.plots import draw_attribution

        return draw_attribution(self, out)

    def _shown(self, value: float):
        return to_display(value, self.unit)


def _named(row: dict[str, Any]) -> str:
    return f"{row['process']}.{row['lesion']}" if row["lesion"] else row["process"]


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return ["  nothing"]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.rjust(w) if cell[:1] in "+-" or cell.endswith("%") else cell.ljust(w)
                         for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def attribute(source, state: str, start_day: float, end_day: float, *, factors: bool = True) -> Attribution:
    """Which processes moved `state` from `start_day` to `end_day`.

    Args:
        source: a scenario, which is run for this at a relative tolerance of 1e-6 or its own if tighter (with agent
            tissue its own); or the outcome of :func:`tme_sim.simulation.run_plan` with recorded steps.
        state: name of a state; of a lesion other than the first with its number, ``MDSC.2``.
        start_day, end_day: the period, within the run; a sudden change on its last day counts, on its first not.
        factors: whether to divide the change among arrows, too.

    Raises:
        InputError: an unknown state, with the nearest known names, a period outside the run, or a state that agent
            tissue holds: no equation moved it.
        ValueError: an outcome without recorded steps.
    """
    if not hasattr(source, "records"):
        from tme_sim.plan import plan_of
        from tme_sim.simulation import run_plan

        plan = plan_of(source)
        _refuse_held_by_cells(plan, state)
        rtol = min(plan.rtol, RTOL) if plan.piece is None else plan.rtol  # cells would fare otherwise under another
        source = run_plan(replace(plan, rtol=rtol), record=True)
    if source.records is None:
        raise ValueError("this run kept no steps; run it with record=True")
    return attribute_records(source.model, source.th, source.records, state, start_day, end_day, factors=factors)


def _refuse_held_by_cells(plan: Any, state: str) -> None:
    if plan.piece is None:
        return
    from tme_sim.tissue.coupling import HELD

    base, _, number = state.partition(".")
    if base in HELD and number in ("", "1"):
        said = f"{state} of the first lesion is held by single cells there, and no equation moves it; attribute its "
        raise InputError(Problem("", "", said + 'well-mixed form with --set "tissue=density", or a state of the body'))


def attribute_records(
    model: CompiledModel,
    th: np.ndarray,
    records,
    state: str,
    start_day: float,
    end_day: float,
    *,
    factors: bool = True,
    reference: tuple[np.ndarray, np.ndarray] | None = None,
) -> Attribution:
    """:func:`attribute` for a compiled model, its working vector and the recorded steps of a run.

    Args:
        records: :class:`tme_sim.engine.run.Records`, or anything whose ``arrays()`` gives the same three arrays.
        reference: states and held inputs (internal units) that rates are compared with; default: untreated, at day 0.

    Raises:
        InputError: as :func:`attribute`.
    """
    base, dot, number = state.partition(".")
    known = [s.name for s in model.network.species]
    if base not in known or (dot and not (number.isascii() and number.isdigit() and int(number))):
        derived = base in {s.name for s in (*model.network.signals, *model.network.totals)}
        said = "follows from states, and only states are moved by processes; tme-sim describe tells from which"
        told = said if derived else f"is no state of this model{nearest(base, known)}"
        raise InputError(Problem("", "", f'"{state}" {told}'))
    of_lesion = base in model.layout.states["lesion"]
    lesion = int(number or 1) if of_lesion else 0
    if lesion > model.layout.n_lesions:
        raise InputError(Problem("", "", f'"{state}": this run has no lesion {lesion}'))
    index = model.index("states", base, max(0, lesion - 1))
    species = next(s for s in model.network.species if s.name == base)
    steps = _Steps(*records.arrays())
    steps.check(start_day, end_day)
    terms = list(_terms(model, base, lesion))
    start, end = steps.value(start_day, index), steps.value(end_day, index)
    jumps = tuple(steps.jumps(start_day, end_day, index))
    calm = _Instant(model, th, *(reference or _untreated(model, th))) if factors else None
    before = [term.parts(calm) for term in terms] if factors else []
    sums, sizes = np.zeros(len(terms)), np.zeros(len(terms))
    moved = [np.zeros(len(term.factors)) for term in terms]
    for y, u, weight in steps.points(start_day, end_day):
        now = _Instant(model, th, y, u)
        for i, term in enumerate(terms):
            rate = term.rate(now)
            sums[i] += weight * rate
            sizes[i] += weight * abs(rate)
            if factors:
                moved[i] += weight * term.divide(term.parts(now), before[i])
    gross = float(sizes.sum()) + sum(abs(amount) for _, amount in jumps)
    contributions = tuple(sorted(
        (Contribution(t.process.name, t.process.label, t.lesion, float(s), float(size) / gross if gross else 0.0)
         for t, s, size in zip(terms, sums, sizes, strict=True)),
        key=lambda c: -abs(c.amount),
    ))
    drift = (end_day - start_day) * sum(term.rate(calm) for term in terms) if factors else 0.0
    parts = sorted(
        (Factor(t.process.name, t.lesion, *f, float(amount))
         for t, each in zip(terms, moved, strict=True) for f, amount in zip(t.factors, each, strict=True)),
        key=lambda f: -abs(f.amount),
    )
    return Attribution(
        state, species.label, lesion, species.unit, start_day, end_day, start, end, contributions, jumps,
        residual=end - start - float(sums.sum()) - sum(amount for _, amount in jumps), gross=gross, drift=drift,
        factors=tuple(f for f in parts if f.amount != 0.0),
    )


def _untreated(model: CompiledModel, th: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States and held inputs before treatment."""
    names = model.theta_names
    at = {n: i for i, n in enumerate(names)}
    y = np.array([th[at["_start.".join(n.split(".")) if "." in n else f"{n}_start"]] for n in model.state_names])
    u = np.zeros(len(model.held_names))
    declared = {h.name: h for h in model.network.held}
    for i, name in enumerate(model.held_names):
        held_name, _, lesion = name.partition(".")
        initial = declared[held_name].initial
        if isinstance(initial, str):
            u[i] = th[model.index("theta", initial, int(lesion or 1) - 1)]
        else:
            u[i] = internal(initial, declared[held_name].unit)
    return y, u


class _Steps:
    """Accepted steps of a run: times in days, dense output, inputs."""

    def __init__(self, t: np.ndarray, y: np.ndarray, u: np.ndarray):
        self.begin = t[:, 0] / TICKS_PER_DAY + t[:, 1]
        self.length = t[:, 2]
        self.end = self.begin + t[:, 2] * t[:, 3]
        self.y, self.u = y, u

    def check(self, start: float, end: float) -> None:
        first, last = self.begin[0], self.end[-1]
        if not (first - SAME_TIME <= start < end <= last + SAME_TIME):
            message = "must be longer than 0 and lie within the run"
            whole = f"the period from day {start:g} to day {end:g} {message}, day {first:g} to day {last:g}"
            raise InputError(Problem("", "", whole))

    def state(self, row: int, theta: float) -> np.ndarray:
        """Dense output of one step at a fraction of it."""
        y, y_new, d1, d2, d3 = self.y[row]
        rest = 1.0 - theta
        return y + theta * ((y_new - y) + rest * (d1 + theta * (d2 + theta * d3)))

    def value(self, day: float, index: int) -> float:
        """One state at a day, after the events of that day."""
        row = max(0, int(np.searchsorted(self.begin, day + SAME_TIME, side="right")) - 1)
        theta = (day - self.begin[row]) / self.length[row]
        used = (self.end[row] - self.begin[row]) / self.length[row]
        return float(self.state(row, min(max(theta, 0.0), used))[index])

    def jumps(self, start: float, end: float, index: int) -> Iterator[tuple[float, float]]:
        """Sudden changes between steps, after `start` and up to `end`."""
        for row in range(1, len(self.begin)):
            day = self.begin[row]
            if start + SAME_TIME < day <= end + SAME_TIME:
                before = self.state(row - 1, (self.end[row - 1] - self.begin[row - 1]) / self.length[row - 1])[index]
                amount = float(self.y[row, 0, index] - before)
                if abs(amount) > ROUNDING * max(abs(before), abs(self.y[row, 0, index])):
                    yield float(day), amount

    def points(self, start: float, end: float) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """States, inputs and weights (days) of the quadrature over a period.  Laws never see a negative state."""
        for row in range(len(self.begin)):
            a, b = max(start, self.begin[row]), min(end, self.end[row])
            if b - a <= 0.0:
                continue
            for node, weight in zip(NODES, WEIGHTS, strict=True):
                day = 0.5 * ((b - a) * node + a + b)
                y = np.maximum(self.state(row, (day - self.begin[row]) / self.length[row]), 0.0)
                yield y, self.u[row], 0.5 * weight * (b - a)


class _Instant:
    """Everything at one time, by name and lesion (0 is the body)."""

    def __init__(self, model: CompiledModel, th: np.ndarray, y: np.ndarray, u: np.ndarray):
        self.model = model
        out = np.zeros(len(model.node_names))
        y, u = np.ascontiguousarray(y), np.ascontiguousarray(u)
        model.observe(y, u, th, out)
        layout = model.layout
        self.vectors = ((layout.states, y), (layout.held, u), (layout.theta, th), (layout.nodes, out))

    def value(self, name: str, lesion: int) -> float:
        for table, vector in self.vectors:
            if name in table["body"] or name in table["lesion"]:
                return float(vector[self.model.layout.index(table, name, max(0, lesion - 1))])
        rest, unit = self.model.network.rests[name]
        return internal(rest, unit)


class _Term:
    """One process and what it does to one state; its rate as a sum over tissue classes of a product of factors."""

    def __init__(self, model: CompiledModel, process: Process, lesion: int, amount: float | str, active: bool):
        from tme_sim.mechanisms.closure import OXYGEN_CLASSES

        network = model.network
        self.process, self.lesion = process, lesion
        self.sign = amount if isinstance(amount, float) else 1.0
        self.amounts = [*actors_of(process), *([amount] if isinstance(amount, str) else []),
                        *(["active"] if active else [])]
        self.outside = [*([amount] if isinstance(amount, str) else []), *(["active"] if active else [])]
        self.arrows = [m for m in network.modulations if process.name in m.targets]
        self.law = (process.law, arguments(process.law, process.bind))
        self.effects = [(m.law, arguments(m.law, m.bind)) for m in self.arrows]
        self.levels: tuple[float | None, ...] = (None,)
        if any(OXYGEN in names.values() for _, names in (self.law, *self.effects)):
            self.levels = OXYGEN_CLASSES
        moving = sorted(n for n in set(self.law[1].values()) if n != OXYGEN and not _is_fixed(model, n))
        reads = f" ({', '.join(moving)})" if moving else ""
        self.factors = [("law", "law", f"the law itself{reads}")]
        if self.levels != (None,):
            self.factors.append(("oxygen", "oxygen", "oxygen of the tissue"))
        self.factors += [(m.name, "arrow", m.label) for m in self.arrows]
        labels = {s.name: s.label for s in network.species}
        self.factors += [(n, "amount", labels.get(n, n)) for n in self.amounts]

    def rate(self, now: _Instant) -> float:
        """Rate of change of the state by this process, per day."""
        value = self.sign * now.value(f"rate_{self.process.name}", self.lesion)
        for name in self.outside:
            value *= now.value(name, self.lesion)
        return value

    def parts(self, now: _Instant) -> np.ndarray:
        """Factors by tissue class [class, factor]; the product over factors, summed over classes, is the rate."""
        amounts = [now.value(n, self.lesion) for n in self.amounts]
        gains = [now.value(f"gain_{m.name}", self.lesion) for m in self.arrows]
        known: dict[str, float] = {}
        for _, names in (self.law, *self.effects):
            for name in names.values():
                if name != OXYGEN and name not in known:
                    known[name] = now.value(name, self.lesion)
        rows = []
        for k, level in enumerate(self.levels):
            def call(law, names, level=level):
                return float(law(**{a: level if n == OXYGEN else known[n] for a, n in names.items()}))

            row = [self.sign * call(*self.law)]
            if level is not None:
                row.append(now.value(f"oxygen_share_{k}", self.lesion))
            row += [1.0 + gain * (call(*effect) - 1.0) for gain, effect in zip(gains, self.effects, strict=True)]
            rows.append(row + amounts)
        return np.array(rows)

    def divide(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Change of the rate by factor."""
        out = np.zeros(now.shape[1])
        for x, x0 in zip(now, before, strict=True):
            out += divide(x, x0)
        return out


def divide(x: np.ndarray, x0: np.ndarray) -> np.ndarray:
    """Divide the change of a product, prod(x) - prod(x0), among its factors by the logarithmic mean.

    Returns an array like `x` whose sum is the change.
    """
    w, w0 = math.prod(x), math.prod(x0)
    if w == w0 == 0.0:
        return np.zeros(len(x))
    if w == 0.0 or w0 == 0.0:
        gone = (x == 0.0) if w == 0.0 else (x0 == 0.0)
        if not gone.any():  # the product is too small for a number, though no factor is
            gone = np.arange(len(x)) == 0
        return np.where(gone, (w - w0) / gone.sum(), 0.0)
    ratio = x / x0
    if (ratio <= 0.0).any():
        return np.where(np.arange(len(x)) == 0, w - w0, 0.0)
    logs = np.log(ratio)
    total = math.log(w / w0)
    mean = (w - w0) / total if abs(total) > 1e-9 else 0.5 * (w + w0)
    out = mean * logs
    out[0] += (w - w0) - out.sum()  # rounding only
    return out


def _is_fixed(model: CompiledModel, name: str) -> bool:
    theta = model.layout.theta
    return name in theta["body"] or name in theta["lesion"] or name in model.network.rests


def _terms(model: CompiledModel, species: str, lesion: int) -> Iterator[_Term]:
    """Processes that change a species; those of lesions that feed the body once per lesion."""
    has_active = "active" in model.layout.held["lesion"]
    for process in model.network.processes:
        own = 1.0 if process.kind in ("division", "arrival", "secretion") else -1.0
        for target, amount in ((process.of, own), *process.into):
            if target != species:
                continue
            if process.where == "lesion":
                places = [lesion] if lesion else range(1, model.layout.n_lesions + 1)
            else:
                places = [0]
            for place in places:
                yield _Term(model, process, place, amount, has_active and process.where == "lesion")
