"""The same run twice: by our integrator, and by libRoadRunner from the SBML text alone.

libRoadRunner reads nothing but the document: initial values, parameters, rules and events all come from it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np

from tme_sim.compiler.symbolic import build
from tme_sim.engine import queue as queue_module
from tme_sim.engine import run as engine
from tme_sim.export.sbml import document_values, names_read
from tme_sim.export.source import TICKS_PER_DAY, identifier

SCALED, POINTWISE, FLOOR = 1e-7, 1e-6, 1e-9
PATIENCE = 60.0  # s of processor for one draw that libRoadRunner cannot do


class Unfinished(Exception):
    """An integrator gave a draw up, and says why."""


def absolute(model, source, rtol):
    """Absolute tolerances (n) for a comparison of runs.

    Where treatment kills the last cells, the rate at which the rest dies is a difference of numbers next to 1, with six
    digits left. No step meets a tolerance below these digits, so what the comparison cannot see is let go.
    """
    return np.maximum(model.tolerances(rtol) * 1e-3, 0.01 * POINTWISE * FLOOR * source.y0)


def ours(model, source, ticks, rtol=1e-11):
    """States (ticks, n) of our integrator; ticks are minutes since day 0."""
    jumps, queue = engine.Jumps(), queue_module.new_queue(len(source.jumps) + 1)
    for order, (tick, rows) in enumerate(source.jumps):
        queue_module.append(queue, tick, order, queue_module.JUMP, jumps.group(rows))
    functions = model.functions
    y0 = source.y0
    state = engine.new_state(y0, source.u0, queue, start_tick=source.start)
    options = engine.Options(rtol=rtol, atol=absolute(model, source, rtol), max_steps=100_000)
    out = np.full((len(ticks), y0.size), np.nan)
    code = engine.advance(functions, state, source.th, int(ticks[-1]), options, jumps, out_ticks=ticks, out_y=out)
    if code != 0:
        raise Unfinished(engine.message(state, model.state_names))
    return out


class Theirs:
    """libRoadRunner with one document loaded; other draws of the same network are set by their values."""

    def __init__(self, text, model):
        import roadrunner

        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
        options = roadrunner.LoadSBMLOptions()
        options.mutableInitialConditions = False  # this alone makes loading several times slower
        self.runner = roadrunner.RoadRunner(text, options)
        self.names = columns(model)
        self.runner.timeCourseSelections = ["time", *self.names]
        solver = self.runner.getIntegrator()
        # one tolerance per state: with a single one, libRoadRunner lowers it to the smallest state, and then fails when
        # a depot has decayed to 1e-320
        solver.setValue("absolute_tolerance", 1e-16)
        self.scales = model.tolerances(1.0) * 1e3
        solver.setValue("maximum_num_steps", 20_000)

    def run(self, source, ticks, values=None, rtol=1e-12):
        """States (ticks, n); raises RuntimeError where libRoadRunner fails."""
        solver = self.runner.getIntegrator()
        solver.setValue("relative_tolerance", rtol)
        for name, least in zip(self.names, np.maximum(1e-20 * self.scales, 0.01 * POINTWISE * FLOOR * source.y0), strict=True):
            solver.setIndividualTolerance(name.strip("[]"), least)
        self.runner.reset()
        concentrations = {name.strip("[]") for name in self.names if name.startswith("[")}
        for name, value in (values or {}).items():
            self.runner.setValue(f"[{name}]" if name in concentrations else name, value)
        days = (np.asarray(ticks) - source.start) / TICKS_PER_DAY
        assert days[0] > 0.0, "libRoadRunner starts at the first time asked for"
        return np.array(self.runner.simulate(times=[0.0, *days]))[1:, 1:]


def columns(model):
    """SBML identifiers of the states as libRoadRunner wants them: a concentration is asked for in brackets."""
    from tme_sim.compiler.unitcheck import units_of
    from tme_sim.export.dimension import dim_of
    from tme_sim.quantities import BASE_UNITS

    units = units_of(model.network)
    names = []
    for label in model.state_names:
        base, _, lesion = label.partition(".")
        where = "lesion" if lesion else "body"
        name = identifier(base, where == "lesion", int(lesion or 1) - 1, model.layout.n_lesions)
        dim = dict(zip(BASE_UNITS, dim_of(units[base]), strict=True))
        made_of = [b for b in ("mg", "nmol", "cell") if dim.pop(b) == 1]
        concentration = len(made_of) == 1 and dim.pop("mm") == -3 and not any(dim.values())
        names.append(f"[{name}]" if concentration else name)
    return names


def differences(a, b, start=0.0):
    """Largest scaled and pointwise difference of two runs (time, state), and the state of the worse one.

    `start` are the states before the first time: a clone that the first session kills is measured by what it was.
    """
    top = np.maximum(np.abs(b).max(axis=0), np.abs(start))
    scaled = np.abs(a - b) / (np.abs(b) + 1e-6 * top + 1e-300)
    pointwise = np.abs(a - b) / np.maximum(np.abs(b), FLOOR * top + 1e-300)
    return scaled.max(), pointwise.max(), int(np.unravel_index(np.argmax(pointwise), pointwise.shape)[1])


def away_from(days, doses, start=0, margin=1):
    """Ticks once a day after the start that lie more than `margin` minutes from every tick of `doses`."""
    ticks = start + np.arange(TICKS_PER_DAY, round(days * TICKS_PER_DAY) + 1, TICKS_PER_DAY, dtype=np.int64)
    ticks = ticks + TICKS_PER_DAY // 2  # doses stand on whole days; half a day later all is smooth
    return np.array([t for t in ticks if all(abs(t - d) > margin for d in doses)], dtype=np.int64)


def draw(model, base, rng, spread=0.4):
    """A source like `base` with every parameter times exp(spread * N(0, 1)), kept physically possible.

    Gains, presence and numbers that are what they are by construction stay.  Returns None for a draw that is no patient.
    """
    from tme_sim.compiler.model import BaselineError
    from tme_sim.quantities import internal

    declared = {p.name: p for p in model.network.parameters()}
    par = base.par.copy()
    for i, label in enumerate(model.parameter_names):
        p = declared[label.split(".")[0]]
        factor = np.exp(spread * rng.normal())
        if p.low < p.high and not p.name.startswith("gain_") and p.name != "present":
            lowest, highest = (internal(x, p.unit) for x in p.physical)
            par[i] = min(max(par[i] * factor, lowest), highest)
    try:
        y0, u0, th = model.start(par)
    except BaselineError:
        return None
    return replace(base, par=par, y0=y0, u0=u0, th=th)


def radau(model, source, ticks, rtol=1e-11, rates=None):
    """States (ticks, n) of SciPy's Radau with `rates` (y, u), by default of the plain backend, which computes no rate with
    generated code.

    The generated Jacobian only steers Radau's Newton iteration; it cannot change what the iteration converges to.
    """
    from scipy.integrate import solve_ivp

    from tme_sim.export.source import apply_jump, calendar_of
    from tme_sim.plain import PlainModel

    if rates is None:
        plain = PlainModel(model.network, model.layout)
        rates = lambda y, u: plain.rhs(y, u, source.th)  # noqa: E731
    first, later = calendar_of(source)
    n = source.y0.size
    z = apply_jump(first, np.concatenate([source.y0, source.u0]))
    values, dense = np.zeros(len(model.layout.rows)), np.zeros((n, n))

    def jacobian(y, u):
        model.jac(np.maximum(y, 0.0), u, source.th, values)
        dense[model.layout.rows, model.layout.cols] = values
        return dense.copy()

    stops = [*later, (int(ticks[-1]) + 1, {})]
    out, now = [], source.start
    for tick, jump in stops:
        end = min(tick, int(ticks[-1]))
        wanted = [t for t in ticks if now < t <= end]
        if end > now:
            u = z[n:].copy()
            solution = solve_ivp(
                lambda t, y, u=u: rates(np.maximum(y, 0.0), u), (now / TICKS_PER_DAY, end / TICKS_PER_DAY), z[:n],
                method="Radau", jac=lambda t, y, u=u: jacobian(y, u), rtol=rtol, atol=absolute(model, source, rtol),
                t_eval=[*(t / TICKS_PER_DAY for t in wanted if t < end), end / TICKS_PER_DAY],
            )  # fmt: skip
            assert solution.success, solution.message
            out += list(solution.y.T[: len(wanted)])
            z[:n] = solution.y[:, -1]
        now = end
        if tick > ticks[-1]:
            break
        z = apply_jump(jump, z)
    return np.array(out)


def compiled_radau(model, source, ticks):
    """:func:`radau` with the generated right-hand side, which other tests hold against the plain one.

    Raises:
        Unfinished: after a minute. Where treatment kills the last cells, Radau may go on with steps of seconds for ever.
    """
    end = time.process_time() + PATIENCE

    def rates(y, u):
        if time.process_time() > end:
            raise Unfinished("Radau takes too long")
        dy = np.empty_like(y)
        model.rhs(y, u, source.th, dy)
        return dy

    return radau(model, source, ticks, rates=rates)


@dataclass
class Found:
    """The worst of some draws: differences, and draws that one side could not do."""

    scaled: float = 0.0
    pointwise: float = 0.0
    state: str = ""
    rechecked: int = 0  # libRoadRunner failed, or is far from us: compared with Radau instead
    unfinished: list[str] = field(default_factory=list)  # our integrator gave up: not compared
    undecided: list[tuple[float, float]] = field(default_factory=list)  # differences from libRoadRunner, Radau gave up


def within(scaled, pointwise):
    """Whether two runs are the same as far as the promise says."""
    return scaled <= SCALED and pointwise <= POINTWISE


def _against(other, model, source, ticks, values, a):
    """Differences of our states from libRoadRunner's, at a finer tolerance where the first is too coarse for the promise.

    At the edge of double precision, which a finer tolerance meets more often, CVODE may shrink its step for ever, and where
    treatment kills the last cells of a clone it may go on with a negative number of them; infinite and large differences,
    then.
    """
    best = (np.inf, np.inf, 0)
    for rtol in (1e-10, 1e-11, 1e-12):
        try:
            best = min(best, differences(a, other.run(source, ticks, values, rtol), source.y0))
        except RuntimeError:
            continue
        if within(*best[:2]):
            break
    return best


def compare(model, base, text, n_draws, days, seed, judge=compiled_radau):
    """Run `n_draws` draws of a source through both, over `days`; a :class:`Found`.

    `judge` decides where the two are far from each other; without one their difference stands.
    """
    read = names_read(build(model.network))
    other = Theirs(text, model)
    ticks = away_from(days, {tick for tick, _ in base.jumps}, base.start)
    base = replace(base, jumps=tuple(j for j in base.jumps if j[0] <= ticks[-1]))
    rng = np.random.default_rng(seed)
    found, done, refused = Found(), 0, 0
    while done < n_draws:
        source = draw(model, base, rng)
        if source is None:
            refused += 1
            assert refused < 20 * n_draws, "hardly any draw is a patient"
            continue
        done += 1
        try:
            a = ours(model, source, ticks)
        except Unfinished as error:
            found.unfinished.append(str(error))
            continue
        scaled, pointwise, state = _against(other, model, source, ticks, document_values(source, read), a)
        if judge and not within(scaled, pointwise):
            found.rechecked += 1
            try:
                scaled, pointwise, state = differences(a, judge(model, source, ticks), source.y0)
            except Unfinished:
                found.undecided.append((float(scaled), float(pointwise)))
                continue
        if pointwise > found.pointwise:
            found.state = model.state_names[state]
        found.scaled, found.pointwise = max(found.scaled, scaled), max(found.pointwise, pointwise)
    return found
