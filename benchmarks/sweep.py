"""Many different patients: patients per second on one core and on all, and peers that loop over the same patients."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import peers as peers_module
from benchmarks.measure import Goal, Point, cores, cpu, equal_error, headline, wait_until_quiet
from benchmarks.peers import Odeint, Ours, PeerFailed
from benchmarks.problem import Problem, relative_error
from benchmarks.work_precision import TARGETS
from tme_sim.compiler.model import ENOUGH_FOR_LANES, BaselineError
from tme_sim.engine import codes as c
from tme_sim.engine import run as engine
from tme_sim.engine.batch import run_batch
from tme_sim.quantities import dimensions

SPREAD = 0.2  # standard deviation of the logarithm of every rate parameter


def rate_parameters(problem: Problem) -> list[int]:
    """Places of the parameters whose unit holds an inverse time."""
    found = {p.name for p in problem.source.network.parameters() if is_rate(p.unit)}
    return [i for i, name in enumerate(problem.model.parameter_names) if name.split(".")[0] in found]


def is_rate(unit: str) -> bool:
    """Whether a unit has time below the line."""
    return dimensions(unit)[0] < 0


def patients(problem: Problem, number: int, seed: int = 1):
    """`number` patients: (par, y0, th) arrays, and how many draws were refused because such a patient cannot exist."""
    generator = np.random.Generator(np.random.Philox(seed))
    rates = rate_parameters(problem)
    par, y0, th, refused = [], [], [], 0
    while len(par) < number:
        draw = problem.source.par.copy()
        draw[rates] *= np.exp(SPREAD * generator.standard_normal(len(rates)))
        try:
            y, _, working = problem.model.start(draw)
        except BaselineError:
            refused += 1
            if refused > 50 * number:
                raise
            continue
        par.append(draw), y0.append(y), th.append(working)
    return np.array(par), np.array(y0), np.array(th), refused


def batch(problem: Problem, y0, th, rtol: float, threads: int, ticks=None):
    """All patients through `run_batch`; states at `ticks` when given."""
    jumps, queue = problem.engine_calendar()
    options = engine.Options(rtol=rtol, atol=problem.atol(rtol), max_steps=100_000)
    return run_batch(
        problem.functions,
        y0,
        problem.source.u0,
        th,
        queue,
        problem.stop,
        options,
        jumps,
        out_ticks=ticks,
        keep_y=ticks is not None,
        start_tick=problem.start,
        threads=threads,
    )


def run(problem: Problem, *, quick: bool, say) -> dict:
    """Throughput of ours, and the sweep ratios."""
    number, few, repeats = (16, 2, 1) if quick else (512, 12, 3)
    say(f"drawing {number} patients")
    par, y0, th, refused = patients(problem, number)
    throughput, failed = {}, 0
    for rtol in (1e-4, 1e-6):
        batch(problem, y0[:2], th[:2], rtol, 1)
        seconds = [cpu(lambda r=rtol: batch(problem, y0, th, r, 1)) for _ in range(repeats)]
        failed = int(np.sum(seconds[-1][1].code != 0))
        steps = int(seconds[-1][1].carry_i[:, c.STEPS].sum())
        busy = wait_until_quiet(0.0 if quick else 120.0)
        walls = []
        for _ in range(repeats):
            begin = time.perf_counter()
            batch(problem, y0, th, rtol, cores())
            walls.append(time.perf_counter() - begin)
        one = number / float(np.median([s for s, _ in seconds]))
        throughput[f"{rtol:.0e}"] = {
            "patients_per_cpu_second_one_core": one,
            "patients_per_second_all_cores": number / min(walls),
            "cores": cores(),
            "others_busy_cores": busy,
            "failed": failed,
            "share_failed": failed / number,
            "steps_per_patient": steps / number,
        }
        every = number / min(walls)
        say(f"rtol {rtol:.0e}: {one:.0f} patients/s on one core, {every:.0f} on {cores()}, {failed} failed")
    curves, labels, left_out = compare(problem, y0[:few], th[:few], quick, say)
    ratios = {k: equal_error(curves["ours"], points, TARGETS) for k, points in curves.items() if k != "ours"}
    made = goals(ratios, throughput)
    return {
        "what": f"{number} patients, every rate parameter drawn with {100 * SPREAD:.0f} % lognormal spread",
        "rate_parameters": len(rate_parameters(problem)),
        "refused_draws": refused,
        "patients": number,
        "throughput": throughput,
        "compared_patients": few,
        "labels": labels,
        "left_out": left_out,
        "curves": {k: [p.record() for p in points] for k, points in curves.items()},
        "ratios": {k: {f"{e:.3g}": r for e, r in table.items()} for k, table in ratios.items()},
        "goals": [g.record() for g in made],
        "lines": [g.line() for g in made],
    }


def compare(problem: Problem, y0, th, quick, say):
    """Seconds per patient and median error of ours (batch, one core) and of peers that take the same patients."""
    rtols = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
    truth = batch(problem, y0, th, 1e-11, 1, problem.ends).out_y
    times = 1 if quick else -(-2 * ENOUGH_FOR_LANES // len(y0))  # the same patients often enough to be a sweep
    many_y0, many_th = (np.tile(x, (times, 1)) for x in (y0, th))
    curves, labels, left_out = {"ours": []}, {"ours": Ours.label}, {}
    for rtol in (1e-2, *rtols, 1e-8):
        result = batch(problem, y0, th, rtol, 1, problem.ends)
        errors = [relative_error(result.out_y[i], truth[i]) for i in range(len(y0)) if result.code[i] == 0]
        point = Point(rtol, error=float(np.median(errors)), counts={"failed": int(np.sum(result.code != 0))})
        for _ in range(1 if quick else 5):
            point.seconds.append(cpu(lambda r=rtol: batch(problem, many_y0, many_th, r, 1))[0] / len(many_y0))
        curves["ours"].append(point)
    functions = peers_module.held_functions(problem)
    candidates = [peers_module.Lsoda, Odeint, peers_module.NumbaLsoda]
    runner = None
    try:
        runner, _ = peers_module.load_roadrunner(problem, False, say)
    except (ImportError, RuntimeError) as error:
        left_out["libRoadRunner"] = str(error).splitlines()[0]
    makers = {}
    for kind in candidates:
        try:
            solvers = [kind(problem, functions, th=th[i], y0=y0[i]) for i in range(len(y0))]
        except ImportError as error:
            left_out[kind.label] = f"not installed here ({error.name})"
            continue
        makers[kind.key] = [solver.solve for solver in solvers]
        labels[kind.key] = kind.label
    if runner is not None:
        places = settable(problem, runner)
        values = [th[i][places[1]].tolist() for i in range(len(y0))]
        makers[runner.key] = [
            lambda rtol, i=i: runner.solve_segments(rtol, y0[i], (places[0], values[i])) for i in range(len(y0))
        ]
        labels[runner.key] = "libRoadRunner, reset and new parameters"
    for key, solve in makers.items():
        curves[key] = []
        for rtol in rtols:
            solve[0](rtol)
            point, errors, seconds, lost = Point(rtol), [], 0.0, 0
            for i in range(len(y0)):
                try:
                    spent, found = cpu(lambda i=i, s=solve, r=rtol: s[i](r))
                except (PeerFailed, RuntimeError):
                    lost += 1
                    continue
                seconds += spent
                errors.append(relative_error(found.y, truth[i]))
            if errors:
                point.error, point.seconds = float(np.median(errors)), [seconds / len(errors)]
            point.counts = {"failed": lost}
            curves[key].append(point)
        say(f"{labels[key]}: {1e3 * curves[key][-1].median:.1f} ms per patient at rtol {rtols[-1]:.0e}")
    return curves, labels, left_out


def settable(problem: Problem, runner) -> tuple[list[int], list[int]]:
    """Indices of libRoadRunner's global parameters that our working vector holds, and their places in it."""
    model = runner.runner.model
    known = {name.split(".")[0]: i for i, name in enumerate(problem.model.theta_names)}
    ids = list(model.getGlobalParameterIds())
    pairs = [(i, known[name]) for i, name in enumerate(ids) if name in known]
    return [a for a, _ in pairs], [b for _, b in pairs]


def goals(ratios, throughput) -> list[Goal]:
    """Goals of sweeps."""
    nan = float("nan")
    out = []
    for key, name, must, aim in (
        ("roadrunner", "libRoadRunner, repeated reset", 25.0, 80.0),
        ("numbalsoda", "numbalsoda", 8.0, 20.0),
        ("lsoda", "SciPy LSODA with our compiled right-hand side", 30.0, 90.0),
    ):
        error, a, b, ratio = headline(ratios.get(key, {})) or (nan, nan, nan, nan)
        title = f"sweep per core against {name} at error {error:.1e}"
        out.append(Goal(title, f"{1e3 * a:.2f} ms", f"{1e3 * b:.1f} ms", ratio, must, aim))
    one = throughput["1e-04"]["patients_per_cpu_second_one_core"]
    title = "patients per second and core at rtol 1e-4"
    out.append(Goal(title, f"{one:.0f}", "none", one, 400.0, 1300.0, unit="patients/s"))
    minutes = 1e5 / throughput["1e-04"]["patients_per_second_all_cores"] / 60.0
    title = f"100 000 patients at rtol 1e-4 on {throughput['1e-04']['cores']} cores"
    out.append(Goal(title, f"{minutes:.1f} min", "none", minutes, 2.5, 0.75, upward=False, unit="min"))
    return out
