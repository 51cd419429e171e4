"""Solvers that integrate the test problem by segments: ours, SciPy, SUNDIALS CVODE, numbalsoda, libRoadRunner.

Every solver calls the same compiled right-hand side with states held at zero or above, as our engine does
(libRoadRunner compiles its own from our SBML export).  A tolerance R means rtol = R and, for each state,
atol = `model.tolerances(R)`.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.problem import TICKS_PER_DAY, Problem
from tme_sim.engine import run as engine
from tme_sim.export.source import apply_jump


class PeerFailed(RuntimeError):
    """A solver that did not reach the end."""


@dataclass
class Solution:
    """States after every segment (after the jump at its end), and counts of work."""

    y: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)


class Ours:
    """Our Rodas5P with the exact sparse Jacobian, calendar in the kernel."""

    key, label = "ours", "tme_sim Rodas5P, sparse exact Jacobian"

    def __init__(self, problem: Problem, th=None, y0=None):
        self.problem = problem
        self.th = problem.source.th if th is None else th
        self.y0 = problem.source.y0 if y0 is None else y0
        self.jumps, self.queue = problem.engine_calendar()
        self.arrays = self.jumps.arrays()

    def solve(self, rtol: float, ticks=None) -> Solution:
        """Integrate; `ticks` (rising) replaces the segment ends."""
        p = self.problem
        ticks = p.ends if ticks is None else ticks
        state = engine.new_state(self.y0, p.source.u0, self.queue, start_tick=p.start)
        out = np.empty((ticks.size, p.n))
        options = engine.Options(rtol=rtol, atol=p.atol(rtol), max_steps=10_000_000)
        code = engine.advance(p.functions, state, self.th, p.stop, options, self.arrays, out_ticks=ticks, out_y=out)
        if code != 0:
            raise PeerFailed(engine.message(state, p.model.state_names))
        stats = state.stats
        counts = {k: int(stats[k]) for k in ("steps", "rejected", "rhs", "jac", "lu")}
        return Solution(out, counts)


def held_functions(problem: Problem):
    """Compiled (rhs, jac) that hold states at zero or above, for writable and read-only arrays."""
    from numba import njit, types

    rhs, jac = problem.model.rhs, problem.model.jac
    vector = types.float64[::1]
    fixed = types.Array(types.float64, 1, "C", readonly=True)
    signatures = [types.void(kind, vector, vector, vector, vector) for kind in (vector, fixed)]

    @njit(signatures, error_model="numpy")
    def held_rhs(y, u, th, work, dy):
        for i in range(y.size):
            work[i] = y[i] if y[i] > 0.0 else 0.0
        rhs(work, u, th, dy)

    @njit(signatures, error_model="numpy")
    def held_jac(y, u, th, work, jv):
        for i in range(y.size):
            work[i] = y[i] if y[i] > 0.0 else 0.0
        jac(work, u, th, jv)

    return held_rhs, held_jac


class Segmented:
    """A solver called once per segment."""

    key, label = "", ""
    functions: tuple = ()

    def __init__(self, problem: Problem, functions, th=None, y0=None):
        self.problem, self.functions = problem, functions
        self.th = problem.source.th if th is None else th
        self.y0 = problem.source.y0 if y0 is None else y0
        self.u = problem.source.u0.copy()
        layout = problem.model.layout
        self.rows, self.cols = np.array(layout.rows), np.array(layout.cols)
        self.work, self.jv = np.empty(problem.n), np.empty(self.rows.size)
        self.dense = np.zeros((problem.n, problem.n))

    def solve(self, rtol: float) -> Solution:
        """Integrate all segments."""
        p = self.problem
        atol = p.atol(rtol)
        y, u = p.initial(self.y0)
        self.u[:] = u
        out, counts = [], {}
        for begin, end, jump in p.segments():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                y, more = self.segment(begin, end, y, rtol, atol)
            for name, count in more.items():
                counts[name] = counts.get(name, 0) + int(count)
            if jump is not None:
                z = apply_jump(jump, np.concatenate([y, self.u]))
                y, self.u[:] = z[: p.n].copy(), z[p.n :]
            out.append(y)
        return Solution(np.array(out), counts)

    def segment(self, begin, end, y, rtol, atol):
        """Integrate from day `begin` to day `end`; returns (y, counts)."""
        raise NotImplementedError

    def rhs(self, t, y):
        """Rates of change, a new array."""
        dy = np.empty(y.size)
        self.functions[0](y, self.u, self.th, self.work, dy)
        return dy

    def dense_jac(self, t, y):
        """Jacobian as a full matrix (the same array every time)."""
        self.functions[1](y, self.u, self.th, self.work, self.jv)
        self.dense[self.rows, self.cols] = self.jv
        return self.dense


class SolveIvp(Segmented):
    """`scipy.integrate.solve_ivp`."""

    method, jacobian = "LSODA", "none"

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        from scipy.sparse import csc_matrix

        n = self.problem.n
        order = csc_matrix((np.arange(1, self.rows.size + 1), (self.rows, self.cols)), shape=(n, n))
        self.order = order.data - 1
        self.matrix = csc_matrix((np.zeros(self.rows.size), order.indices, order.indptr), (n, n))

    def sparse_jac(self, t, y):
        """Jacobian as a compressed sparse column matrix."""
        self.functions[1](y, self.u, self.th, self.work, self.jv)
        matrix = self.matrix.copy()
        matrix.data[:] = self.jv[self.order]
        return matrix

    def segment(self, begin, end, y, rtol, atol):
        from scipy.integrate import solve_ivp

        known = {"sparse": self.sparse_jac, "dense": lambda t, y: self.dense_jac(t, y).copy()}
        more = {"jac": known[self.jacobian]} if self.jacobian in known else {}
        found = solve_ivp(self.rhs, (begin, end), y, method=self.method, rtol=rtol, atol=atol, **more)
        if not found.success:
            raise PeerFailed(found.message)
        return found.y[:, -1].copy(), {"steps": found.t.size - 1, "rhs": found.nfev, "jac": found.njev, "lu": found.nlu}


class Lsoda(SolveIvp):
    """LSODA of SciPy, its own difference Jacobian."""

    key, label = "lsoda", "SciPy LSODA (solve_ivp)"


class RadauSparse(SolveIvp):
    """Radau of SciPy with our exact Jacobian, sparse."""

    key, label, method, jacobian = "radau", "SciPy Radau, our sparse Jacobian", "Radau", "sparse"


class RadauDense(SolveIvp):
    """Radau of SciPy with our exact Jacobian, dense."""

    key, label, method, jacobian = "radau_dense", "SciPy Radau, our Jacobian dense", "Radau", "dense"


class Odeint(Segmented):
    """LSODA of SciPy through `odeint`, which has the thinner loop around it."""

    key, label = "odeint", "SciPy LSODA (odeint)"

    def segment(self, begin, end, y, rtol, atol):
        from scipy.integrate import odeint

        more = {"tfirst": True, "full_output": True, "mxstep": 10**6}
        found, info = odeint(self.rhs, y, [begin, end], rtol=rtol, atol=atol, **more)
        if "successful" not in info["message"]:
            raise PeerFailed(info["message"])
        return found[-1].copy(), {"steps": info["nst"][-1], "rhs": info["nfe"][-1], "jac": info["nje"][-1]}


class Cvode(Segmented):
    """SUNDIALS CVODE (BDF) through scikit-sundae."""

    key, label, linear, exact = "cvode", "CVODE dense (scikit-sundae)", "dense", False

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        from scipy.sparse import csc_matrix

        # After a jump CVODE may begin with a step below the last digit of the time; it says so each time, and goes on.
        os.environ.setdefault("SUNLOGGER_WARNING_FILENAME", os.devnull)
        from sksundae.cvode import CVODE  # here, so that this peer is left out where it is not installed

        self.solver = CVODE
        n = self.problem.n
        order = csc_matrix((np.arange(1, self.rows.size + 1), (self.rows, self.cols)), shape=(n, n))
        self.order, self.pattern = order.data - 1, order.astype(bool).toarray()

    def segment(self, begin, end, y, rtol, atol):
        rhs, jac, u, th, work, jv = *self.functions, self.u, self.th, self.work, self.jv

        def rates(t, y, dy):
            rhs(y, u, th, work, dy)

        def dense(t, y, dy, out):
            jac(y, u, th, work, jv)
            out[self.rows, self.cols] = jv

        def sparse(t, y, dy, out):
            jac(y, u, th, work, jv)
            out[:] = jv[self.order]

        more = {"jacfn": sparse if self.linear == "sparse" else dense} if self.exact else {}
        if self.linear == "sparse":
            more["sparsity"] = self.pattern
        solver = self.solver(rates, rtol=rtol, atol=atol, linsolver=self.linear, max_num_steps=10**6, **more)
        solver.init_step(begin, y)
        found = solver.step(end, tstop=end)
        if not found.success:
            raise PeerFailed(str(found.message))
        return np.array(found.y).reshape(-1, self.problem.n)[-1], {"rhs": found.nfev, "jac": found.njev}


class CvodeExact(Cvode):
    """CVODE with our exact Jacobian, dense factorisation."""

    key, label, exact = "cvode_jac", "CVODE dense, our Jacobian", True


class CvodeSparse(Cvode):
    """CVODE with our exact Jacobian and SuperLU."""

    key, label, linear, exact = "cvode_sparse", "CVODE sparse, our Jacobian", "sparse", True


class NumbaLsoda(Segmented):
    """LSODA of numbalsoda: no Python between steps.

    It takes one absolute tolerance, so that states are given in units of their tolerance scale.
    """

    key, label = "numbalsoda", "numbalsoda LSODA"

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        from numba import carray, cfunc
        from numbalsoda import lsoda_sig

        p = self.problem
        n, m, k = p.n, self.u.size, self.th.size
        self.scale = p.scales * 1e3
        self.data = np.concatenate([self.u, self.scale, self.th, np.zeros(n)])
        rhs = p.model.rhs

        @cfunc(lsoda_sig)
        def rates(t, x, dx, data):
            d = carray(data, (m + 2 * n + k,))
            scale, y = d[m : m + n], d[m + n + k :]
            values, out = carray(x, (n,)), carray(dx, (n,))
            for i in range(n):
                y[i] = values[i] * scale[i] if values[i] > 0.0 else 0.0
            rhs(y, d[:m], d[m + n : m + n + k], out)
            for i in range(n):
                out[i] = out[i] / scale[i]

        self.rates = rates

    def segment(self, begin, end, y, rtol, atol):
        from numbalsoda import lsoda

        self.data[: self.u.size] = self.u
        self.data[self.u.size + y.size : self.u.size + y.size + self.th.size] = self.th
        found, success = lsoda(
            self.rates.address,
            y / self.scale,
            np.array([begin, end]),
            data=self.data,
            rtol=rtol,
            atol=rtol * 1e-3,
            mxstep=10**6,
        )
        if not success:
            raise PeerFailed("numbalsoda stopped early")
        return found[-1] * self.scale, {}


class RoadRunner:
    """libRoadRunner (CVODE) on our SBML export, events inside the model or a Python loop over segments."""

    def __init__(self, problem: Problem, runner, events: bool, held_names):
        self.problem, self.runner, self.events = problem, runner, events
        self.key = "roadrunner_events" if events else "roadrunner"
        self.label = "libRoadRunner, events inside" if events else "libRoadRunner, segment loop"
        self.states = [name.split(".")[0] for name in problem.model.state_names]
        self.held = [name.split(".")[0] for name in held_names]
        self.inside = None

    def set_tolerances(self, rtol: float) -> None:
        """Relative tolerance, and the absolute one of every state."""
        integrator = self.runner.getIntegrator()
        integrator.setValue("relative_tolerance", rtol)
        integrator.setValue("maximum_num_steps", 10**6)
        for name, value in zip(self.states, self.problem.atol(rtol), strict=True):
            integrator.setIndividualTolerance(name, float(value))

    def solve(self, rtol: float) -> Solution:
        """Integrate; with events inside, the states one minute before each segment end, else after it."""
        try:
            return self.solve_with_events(rtol) if self.events else self.solve_segments(rtol)
        except RuntimeError as error:
            raise PeerFailed(str(error).splitlines()[0][:200]) from error

    def solve_with_events(self, rtol: float) -> Solution:
        p, runner = self.problem, self.runner
        runner.resetAll()
        self.set_tolerances(rtol)
        days = (before(p.ends) - p.start) / TICKS_PER_DAY
        with silent():  # CVODES warns about tiny steps at every event
            found = runner.simulate(times=[0.0, *days], selections=["time", *self.states])
        return Solution(np.array(found)[1:, 1:])

    def prepare(self, y, u) -> None:
        """Start values of states and held inputs."""
        model = self.runner.model
        for name, value in zip([*self.states, *self.held], [*y, *u], strict=True):
            model.setValue(name, float(value))

    def solve_segments(self, rtol: float, y0=None, parameters=None) -> Solution:
        p, runner = self.problem, self.runner
        runner.resetAll()
        if parameters is not None:
            runner.model.setGlobalParameterValues(*parameters)
        self.set_tolerances(rtol)
        integrator, model = runner.getIntegrator(), runner.model
        y, u = p.initial(y0)
        names = [*self.states, *self.held]
        self.prepare(y, u)
        out = []
        for begin, end, jump in p.segments():
            model.setTime(begin)
            integrator.restart(begin)
            reached = integrator.integrate(begin, end - begin)
            if abs(reached - end) > 1e-9:
                raise PeerFailed(f"stopped on day {reached:.6g}")
            y = np.array([model.getValue(name) for name in self.states])
            if jump is not None:
                z = apply_jump(jump, np.concatenate([y, u]))
                for i in jump:
                    model.setValue(names[i], float(z[i]))
                y, u = z[: p.n], z[p.n :]
            out.append(y)
        return Solution(np.array(out))


@contextmanager
def silent():
    """Send what C code writes to standard error nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def before(ends: np.ndarray) -> np.ndarray:
    """One minute before each segment end: what is compared where a solver's output at an event is ambiguous."""
    return ends - 1


def load_roadrunner(problem: Problem, events: bool, say=lambda text: None) -> tuple[RoadRunner, float]:
    """A RoadRunner on the SBML of the problem, and the CPU seconds it took to load and compile it."""
    import roadrunner

    from benchmarks.measure import cpu
    from tme_sim.export.sbml import sbml_document

    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    source = problem.source if events else replace(problem.source, jumps=())
    text = sbml_document(source)
    say(f"libRoadRunner compiles the model ({'with' if events else 'without'} events)")
    seconds, runner = cpu(lambda: roadrunner.RoadRunner(text))
    return RoadRunner(problem, runner, events, problem.model.held_names), seconds


def available(problem: Problem, say=lambda text: None, roadrunners=(True, False), wanted=None):
    """(list of solvers, dict of what was left out and why, facts): every peer that is installed here."""
    functions = held_functions(problem)
    solvers, left_out, facts = [], {}, {}
    for kind in (Lsoda, Odeint, RadauSparse, RadauDense, Cvode, CvodeExact, CvodeSparse, NumbaLsoda):
        if wanted and kind.key not in wanted:
            continue
        try:
            solvers.append(kind(problem, functions))
        except ImportError as error:
            left_out[kind.label] = f"not installed here ({error.name})"
    for events in roadrunners:
        if wanted and ("roadrunner_events" if events else "roadrunner") not in wanted:
            continue
        try:
            runner, seconds = load_roadrunner(problem, events, say)
        except ImportError as error:
            left_out["libRoadRunner"] = f"not installed here ({error.name})"
            continue
        except RuntimeError as error:
            left_out[f"libRoadRunner, events {events}"] = str(error).splitlines()[0]
            continue
        facts[f"{runner.key}_load_seconds"] = seconds
        solvers.append(runner)
    return solvers, left_out, facts
