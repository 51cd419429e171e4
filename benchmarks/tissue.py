"""Agent tissue: processor time of a step by the number of voxels, which should be linear, and bytes per agent."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np

from benchmarks.fields import SPREAD, best
from benchmarks.measure import Goal, cpu
from benchmarks.problem import ROOT

PIECES = {
    "section": {10_000: 2.0, 99_856: 6.32, 1_000_000: 20.0, 6_250_000: 50.0},  # voxels of 20 um: edge, mm; 50: the most
    "cube": {10_648: 0.44, 97_336: 0.92, 1_000_000: 2.0, 9_938_375: 4.3},
}
LATTICES = {10_648: 22, 97_336: 46, 1_000_000: 100, 9_938_375: 215}  # of fields alone
STEPS = 4  # two of them with new fields
PHYSICELL = 6400.0  # bytes per cell of PhysiCell, as measured for this project


def piece_of(edge: float, dimension: int):
    """A piece of `edge` mm that has not lived yet."""
    from tme_sim.quantities import Quantity
    from tme_sim.tissue.settings import Tissue

    return Tissue(size=Quantity(edge, "mm"), dimension=dimension, settle=Quantity(0.0, "day"))


def steps(piece) -> dict[str, float]:
    """Seconds of a step of a piece, per voxel too, and bytes that its state holds per agent."""
    from tme_sim import simulation
    from tme_sim.scenario import Scenario
    from tme_sim.tissue.coupling import Coupling

    patient = Scenario.load(ROOT / "configs" / "untreated.toml")
    plan = simulation.plan_of(patient.changed(["tissue=agents", "run.duration=1 day"]))
    one = Coupling.untreated(simulation.set_up(plan), piece, patient=plan.patient)
    one.live(2)
    seconds = cpu(lambda: one.live(STEPS))[0] / STEPS
    state, n = one.state, one.frame.voxels
    agents = np.count_nonzero(state.cell) + state.kind.size + np.count_nonzero(state.vessel)
    held = sum(a.nbytes for a in state.arrays().values())
    return {"seconds": seconds, "microseconds per voxel": 1e6 * seconds / n, "bytes of state per agent": held / agents,
            "agents": float(agents)}  # fmt: skip


def fields(edge: int) -> dict[str, float]:
    """Seconds of one implicit step of a field in a cube of `edge` voxels, and of one of oxygen at rest, warm."""
    from tme_sim.engine.fields import Diffusion, Multigrid, steady_oxygen

    draw, shape = np.random.default_rng(2), (edge,) * 3
    u, step = draw.random(shape), Diffusion(shape, SPREAD, 1.0)
    grid, p = Multigrid(shape, 5.0), np.full(shape, 20.0)
    exchange, uptake = np.where(draw.random(shape) < 0.02, 20.0, 0.0), draw.uniform(5.0, 25.0, shape)
    more = [uptake, 1.01 * uptake]

    def rest():
        more.reverse()
        steady_oxygen(p, more[0], 2.0, exchange, 60.0, 5.0, 1e-3, grid=grid)

    return best({"implicit step of one field": lambda: step.step(u), "oxygen at rest, warm": rest}, 2)


def power(cost: dict[int, float]) -> float:
    """Exponent of growth of a cost with the number of voxels."""
    return float(np.polyfit(np.log(list(cost)), np.log(list(cost.values())), 1)[0])


def figure(curves: dict[str, dict[int, float]], folder: Path) -> Path:
    """Seconds against voxels of every curve, with its exponent and a line of slope 1."""
    from matplotlib.figure import Figure

    from tme_sim.plots.style import DPI, RUN_COLOURS, TEXT, dress_axes

    fig = Figure(figsize=(5.0, 3.0), dpi=DPI, layout="constrained")
    axes = fig.subplots()
    for (name, cost), colour, mark in zip(curves.items(), RUN_COLOURS, "so^v", strict=False):
        axes.loglog(list(cost), list(cost.values()), mark + "-", color=colour, ms=4, lw=1.0,
                    label=f"{name}: exponent {power(cost):.2f}")  # fmt: skip
    low, high = (f(n for cost in curves.values() for n in cost) for f in (min, max))
    start = max(cost[min(cost)] for cost in curves.values()) * 1.8
    axes.loglog([low, high], [start, start * high / low], color="#999999", lw=0.8, ls="--", label="linear")
    axes.set_ylim(bottom=min(min(cost.values()) for cost in curves.values()) / 20.0)  # room for the legend
    dress_axes(axes, "voxels", "processor time (s)")
    axes.legend(frameon=False, fontsize=TEXT, loc="lower right")
    path = folder / "tissue_work.png"
    fig.savefig(path)
    return path


def run(*, quick: bool, say, folder: Path | None = None) -> dict:
    """Every figure of this section; the picture goes to `folder`."""
    from tme_sim.tissue.settings import machine_mebibytes

    facts, curves, bytes_ = {}, {}, float("nan")
    left_out, most = {"PhysiCell": "compared in tissue-peers"}, machine_mebibytes()
    for form, edges in PIECES.items():
        name = f"a step of a {form}"
        curves[name] = {}
        for n in (n for n in edges if not quick or n < 200_000):
            piece = piece_of(edges[n], 2 if form == "section" else 3)
            if why := piece.beyond(most):
                left_out[f"{form}, {n} voxels"] = why
                continue
            facts[f"{form}, {n} voxels"] = found = steps(piece)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            found["peak of the process so far, MiB"] = peak
            curves[name][n], bytes_ = found["seconds"], found["bytes of state per agent"]
            say(f"{form} of {n} voxels: " + ", ".join(f"{k} {v:.3g}" for k, v in found.items()))
    for n in (n for n in LATTICES if not quick or n < 200_000):
        for name, seconds in fields(LATTICES[n]).items():
            curves.setdefault(name, {})[n] = seconds
    made = []
    for name, cost in curves.items():
        slope = power(cost)
        say(f"{name}: " + ", ".join(f"{n} voxels {s:.3g} s" for n, s in cost.items()))
        made.append(Goal(f"{name} against voxels: exponent", f"{slope:.2f}", "1", slope, 1.1, 1.0, False, "power"))
    peer = f"PhysiCell {PHYSICELL:.0f} B"
    made.append(Goal("bytes of state per agent", f"{bytes_:.0f} B", peer, bytes_, 500.0, 150.0, False, "bytes"))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        figure(curves, folder)
    return {
        "what": "pieces of agent tissue, one thread, fields and turnover included, and fields alone; CPU seconds",
        "facts": facts | {"seconds": {k: {str(n): s for n, s in v.items()} for k, v in curves.items()}},
        "left_out": left_out,
        "goals": [g.record() for g in made],
        "lines": [g.line() for g in made],
    }
