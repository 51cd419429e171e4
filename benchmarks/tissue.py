"""Agent tissue: processor time of a step by the number of voxels, which should be linear, and bytes per agent."""

from __future__ import annotations

import resource

import numpy as np

from benchmarks.measure import Goal, cpu

EDGES = {10_648: "0.44 mm", 97_336: "0.92 mm", 1_000_000: "2 mm", 9_938_375: "4.3 mm"}  # cubes, voxels of 20 um
STEPS = 4  # two of them with new fields
TEXT = """
schema = 1
name = "benchmark"
tissue = "agents"
[[patient.lesion]]
name = "main"
diameter = "50 mm"
doubling_time = "160 day"
[run]
duration = "1 day"
"""
PHYSICELL = 6400.0  # bytes per cell of PhysiCell, as measured for this project


def steps(edge: str) -> dict[str, float]:
    """Seconds of a step of a cube, per voxel too, and bytes that its state holds per agent."""
    from tme_sim import simulation
    from tme_sim.quantities import Quantity
    from tme_sim.scenario import Scenario
    from tme_sim.tissue.coupling import Coupling
    from tme_sim.tissue.settings import Tissue
    from tme_sim.tissue.step import step

    plan = simulation.plan_of(Scenario.from_text(TEXT))
    made = simulation.set_up(plan)
    piece = Tissue(size=Quantity(float(edge.split()[0]), "mm"), dimension=3, settle=Quantity(0.0, "day"))
    one = Coupling(made.model, made.th, piece, 1, plan.patient)
    one.begin(made.y0, made.u0)
    for _ in range(2):
        step(one.frame, one.state, one.scalars)

    def work():
        for _ in range(STEPS):
            step(one.frame, one.state, one.scalars)

    seconds = cpu(work)[0] / STEPS
    state, n = one.state, one.frame.voxels
    agents = np.count_nonzero(state.cell) + state.kind.size + np.count_nonzero(state.vessel)
    held = sum(a.nbytes for a in state.arrays().values())
    return {"seconds": seconds, "microseconds per voxel": 1e6 * seconds / n, "bytes of state per agent": held / agents,
            "agents": float(agents)}  # fmt: skip


def run(*, quick: bool, say) -> dict:
    """Every figure of this section."""
    sizes = [n for n in EDGES if not quick or n < 200_000]
    facts = {}
    for n in sizes:
        facts[str(n)] = found = steps(EDGES[n])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found["peak of the process, MiB"] = peak
        say(f"{n} voxels: {found['seconds']:.3f} s a step, {found['microseconds per voxel']:.2f} us a voxel, "
            f"{found['bytes of state per agent']:.0f} bytes an agent, peak {peak:.0f} MiB")  # fmt: skip
    cost = [facts[str(n)]["seconds"] for n in sizes]
    slope = float(np.polyfit(np.log(sizes), np.log(cost), 1)[0])
    bytes_ = facts[str(sizes[-1])]["bytes of state per agent"]
    made = [
        Goal("work of a step against voxels: exponent of growth", f"{slope:.2f}", "1", slope, 1.1, 1.0, False, "power"),
        Goal("bytes of state per agent", f"{bytes_:.0f} B", f"PhysiCell {PHYSICELL:.0f} B", bytes_, 500.0, 150.0, False,
             "bytes"),
    ]  # fmt: skip
    return {
        "what": "cubes of agent tissue, one thread, fields and turnover included; CPU seconds",
        "facts": facts,
        "left_out": {"PhysiCell": "compared in tissue-peers"},
        "goals": [g.record() for g in made],
        "lines": [g.line() for g in made],
    }
