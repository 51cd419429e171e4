"""Work against precision of one patient: CPU time of every solver at the error it achieves."""

from __future__ import annotations

from benchmarks import peers as peers_module
from benchmarks.measure import Goal, Point, cpu, equal_error, headline
from benchmarks.peers import Ours, PeerFailed, RadauSparse, before
from benchmarks.problem import Problem, relative_error

TARGETS = tuple(10.0 ** (-k / 2) for k in range(4, 17))  # 1e-2 to 1e-8 in half decades
OUR_RTOLS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
PEER_RTOLS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
QUICK = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


def reference(problem: Problem, say) -> tuple[Ours, dict, dict]:
    """Our solver, reference states at the segment ends and one minute before, and how two methods agree on them."""
    ours = Ours(problem)
    say("reference: Rodas5P at 1e-11 and Radau at 1e-11")
    exact = ours.solve(1e-11)
    ahead = ours.solve(1e-11, before(problem.ends))
    finer = ours.solve(1e-12)
    other = RadauSparse(problem, peers_module.held_functions(problem)).solve(1e-11)
    agreement = {
        "rodas5p_1e-11_against_radau_1e-11": relative_error(other.y, exact.y),
        "rodas5p_1e-11_against_rodas5p_1e-12": relative_error(finer.y, exact.y),
        "rodas5p_steps": exact.counts["steps"],
        "radau_steps": other.counts["steps"],
    }
    return ours, {"ends": exact.y, "before": ahead.y}, agreement


def run(problem: Problem, *, quick: bool, say, wanted=None) -> dict:
    """Measure every solver at every tolerance, ours and the peer in turn."""
    repeats = 1 if quick else 5
    ours, known, agreement = reference(problem, say)
    solvers, left_out, facts = peers_module.available(problem, say, wanted=wanted)
    curves: dict[str, list[Point]] = {"ours": [], **{s.key: [] for s in solvers}}
    labels = {"ours": ours.label} | {s.key: s.label for s in solvers}
    for rtol in QUICK if quick else OUR_RTOLS:
        curves["ours"].append(measured(ours, rtol, known, 2 * repeats))
    for solver in solvers:
        for rtol in QUICK if quick else PEER_RTOLS:
            partner = next((p for p in curves["ours"] if p.rtol == rtol), None)
            curves[solver.key].append(measured(solver, rtol, known, repeats, ours, partner))
        done = curves[solver.key][-1]
        say(f"{solver.label}: {1e3 * done.median:.1f} ms, error {done.error:.1e} at rtol {done.rtol:.0e} {done.note}")
    ratios = {k: equal_error(curves["ours"], c, TARGETS) for k, c in curves.items() if k != "ours"}
    return {
        "what": "one patient, one core; every solver integrates the same segments of the same calendar",
        "problem": problem.describe(),
        "agreement": agreement,
        "labels": labels,
        "left_out": left_out,
        "facts": facts,
        "curves": {k: [p.record() for p in c] for k, c in curves.items()},
        "ratios": {k: {f"{e:.3g}": r for e, r in table.items()} for k, table in ratios.items()},
        "goals": [g.record() for g in goals(ratios)],
        "lines": [g.line() for g in goals(ratios)],
    }


def measured(solver, rtol, known, repeats, ours=None, partner: Point | None = None) -> Point:
    """Time a solver after one warm-up; ours is timed before every repeat of a peer, which adds to its own point."""
    point = Point(rtol)
    truth = known["before"] if getattr(solver, "events", False) else known["ends"]
    try:
        first = solver.solve(rtol)
        point.error, point.counts = relative_error(first.y, truth), first.counts
        for _ in range(repeats):
            if partner is not None:
                partner.seconds.append(cpu(lambda: ours.solve(rtol))[0])
            point.seconds.append(cpu(lambda: solver.solve(rtol))[0])
    except PeerFailed as error:
        point.note = str(error)
    return point


def goals(ratios) -> list[Goal]:
    """Goals that one patient decides."""
    out = []
    nan = float("nan")
    for key, how in (("roadrunner", "segment loop"), ("roadrunner_events", "events inside")):
        if key in ratios:
            error, a, b, ratio = headline(ratios[key]) or (nan, nan, nan, nan)
            title = f"one patient against libRoadRunner, {how}, at error {error:.1e}"
            out.append(Goal(title, f"{1e3 * a:.2f} ms", f"{1e3 * b:.1f} ms", ratio, 10.0, 30.0))
    return out
