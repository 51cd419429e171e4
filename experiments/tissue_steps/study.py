"""How much of agent tissue depends on its step, and on how the lattice lies.

    python experiments/tissue_steps/study.py            # about ten minutes on one core
    python experiments/tissue_steps/study.py --figure   # draws results.json again
    python experiments/tissue_steps/study.py --lattice  # only what concerns the lattice

Step: the same pieces with steps of 10 to 120 minutes, fields and exchange every second step, through one session.
Orientation: vessels in the same pattern turned on the lattice; colonies and walkers in all directions of it.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from tme_sim.engine.fields import steady_oxygen
from tme_sim.engine.rng import PURPOSES
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue import kernels
from tme_sim.tissue.settings import VALUE, VOXEL_UM

HERE = Path(__file__).parent
STEPS = (10, 20, 30, 60, 120)  # minutes
SEEDS = range(1, 7)
DAYS, SIZE = 8, "0.8 mm"
TURNS = (0.0, 15.0, 30.0, 45.0)  # degrees
SCENARIO = f"""
schema = 1
name = "steps"
tissue = "agents"
[[patient.lesion]]
name = "main"
diameter = "50 mm"
doubling_time = "160 day"
[piece]
size = "{SIZE}"
settle = "2 day"
film_every = "0 day"
snapshots = [-1, {DAYS - 1}]
[[protocol.treatment]]
kind = "tace"
start = "day 1"
technique = "conventional"
[run]
duration = "{DAYS} day"
"""
MEASURED = {
    "viable": "viable cells, of start", "necrotic": "necrotic share of places", "hypoxic": "viable cells below 10 mmHg",
    "vessels": "vessels per mm²", "cd8": "CD8 per mm³", "mdsc": "MDSC per mm³",
}  # fmt: skip


def one(step: int, seed: int) -> dict[str, float]:
    """A piece at the end of its run."""
    run = simulate(Scenario.from_text(SCENARIO, changes=[f"piece.step={step} min", f"seed={seed}"]))
    measured = list(run.summary["tissue"].values())[-1]
    names = ("cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen")
    viable = sum(run[f"{n}.1"] for n in names)
    out = {n: measured[n] for n in ("necrotic", "hypoxic", "vessels", "cd8", "mdsc")}
    return out | {"viable": float(viable[-1] / viable[0])}


def steps():
    """Means and standard errors over seeds of every measure, by step; after every seed from the second on."""
    found = {step: [] for step in STEPS}
    for seed in SEEDS:
        for step in STEPS:
            found[step].append(one(step, seed))
        print(f"seed {seed}", flush=True)
        if seed > 1:
            yield summary(found, seed)


def summary(found: dict, seeds: int) -> dict:
    """Means and standard errors of every measure, by step, and the distance from the finest step."""
    names = found[STEPS[0]][0]
    out = {}
    for name in names:
        rows = np.array([[row[name] for row in found[step]] for step in STEPS])
        off = rows - rows[0]  # of the finest step; the seeds' own differences fall out
        out[name] = {
            "mean": rows.mean(axis=1).tolist(), "error": (rows.std(axis=1, ddof=1) / seeds**0.5).tolist(),
            "off": off.mean(axis=1).tolist(), "off_error": (off.std(axis=1, ddof=1) / seeds**0.5).tolist(),
        }  # fmt: skip
    return out


def turned(patterns: int = 12) -> dict:
    """Share of a disc below 10 mmHg with the same vessels turned on the lattice."""
    n, radius, rng = 101, 40.0, np.random.default_rng(3)
    y, x = np.mgrid[:n, :n] - n // 2
    disc = x * x + y * y < (0.8 * radius) ** 2
    shares = np.zeros((patterns, len(TURNS)))
    for i in range(patterns):
        r, a = radius * np.sqrt(rng.random(260)), 2 * np.pi * rng.random(260)
        for j, turn in enumerate(TURNS):
            b = a + np.deg2rad(turn)
            supply = np.zeros((n, n))
            row, column = (np.rint(r * one(b)).astype(int) + n // 2 for one in (np.sin, np.cos))
            np.add.at(supply, (row, column), 6.0)
            p = np.full((n, n), 20.0)
            steady_oxygen(p, 15.0, 2.0, supply, 40.0, 2000.0 / VOXEL_UM**2, 1e-4)
            shares[i, j] = (p[disc] < 10.0).mean()
    off = shares - shares.mean(axis=1, keepdims=True)
    return {"share": float(shares.mean()), "by_turn": shares.mean(axis=0).tolist(),
            "spread_of_turns": float(np.sqrt((off**2).mean())), "spread_of_patterns": float(shares.mean(axis=1).std())}


def colonies(number: int = 12, cells: int = 2500) -> dict:
    """Radius of grown colonies by direction, over their mean radius."""
    n, reach = 151, round(VALUE["push_reach"] / VOXEL_UM)
    bins = np.arange(-22.5, 360.0, 45.0)
    radius, drift = np.zeros((number, 8)), np.zeros((number, 2))
    for i in range(number):
        cell, lineage = np.zeros(n * n, dtype=np.int8), np.zeros(n * n, dtype=np.uint64)
        cell[n * n // 2], lineage[n * n // 2], free, step = 1, 1, 2, 0
        while np.count_nonzero(cell) < cells:
            at = np.flatnonzero(cell)
            at = at[np.argsort(lineage[at])]  # as the tissue orders mothers
            luck = kernels.draws(np.uint64(i), np.uint64(0), lineage[at], np.uint64(step),
                                 np.uint64(PURPOSES["division"]), np.uint64(0))  # fmt: skip
            kinds = np.zeros((2, 2), dtype=np.int64)
            free, _ = kernels.place_daughters(
                at[luck < 0.05], cell, lineage, np.zeros(n * n, dtype=bool), np.empty(0, dtype=np.int64), free, kinds,
                reach, np.uint64(i), np.uint64(0), np.uint64(step), np.uint64(PURPOSES["placement"]), 1, n, n,
            )  # fmt: skip
            step += 1
        here = cell.reshape(n, n) > 0
        y, x = np.mgrid[:n, :n] - n // 2
        drift[i] = x[here].mean(), y[here].mean()  # of its middle, voxels
        y, x = y - drift[i, 1], x - drift[i, 0]
        angle = (np.rad2deg(np.arctan2(y, x)) + 22.5) % 360.0 - 22.5
        for k in range(8):  # a sector of 45 degrees around each axis and diagonal: radius from its area
            inside = (angle >= bins[k]) & (angle < bins[k] + 45.0)
            radius[i, k] = np.sqrt(np.count_nonzero(here & inside) / (np.pi / 8.0))
    radius /= radius.mean(axis=1, keepdims=True)
    return {"radius": radius.mean(axis=0).tolist(),
            "radius_error": (radius.std(axis=0, ddof=1) / number**0.5).tolist(),
            "drift": drift.mean(axis=0).tolist(), "drift_error": (drift.std(axis=0, ddof=1) / number**0.5).tolist(),
            "axis_over_diagonal": float(radius[:, ::2].mean() / radius[:, 1::2].mean()),
            "error": float((radius[:, ::2].mean(axis=1) / radius[:, 1::2].mean(axis=1)).std(ddof=1) / number**0.5)}


def walkers(number: int = 100_000) -> dict:
    """How far walkers get along the axes and along the diagonals; and mean cos(4 angle) of their displacement."""
    n, hours = 401, (1, 3, 6, 12, 24)
    start = np.full(number, n * n // 2)
    where, heading = start.copy(), np.arange(number, dtype=np.int64) % 4
    ids, flat, crowd = np.arange(number, dtype=np.uint64), np.zeros(n * n), np.full(n * n, -(10**7))
    kind, out = np.zeros(number, dtype=np.int8), {}
    for sub in range(max(hours) * 12):
        kernels.walk(where, heading, ids, kind, np.array([False]), flat, np.ones(n * n), crowd, np.uint64(1),
                     np.uint64(0), np.uint64(sub), np.uint64(PURPOSES["migration"]), 1,
                     min(1.0, VALUE["walk_speed"] * 5 / VOXEL_UM), VALUE["walk_persistence"], 0.0001,
                     1, n, n)  # fmt: skip
        if (sub + 1) % 12 == 0 and (sub + 1) // 12 in hours:
            x, y = where % n - n // 2, where // n - n // 2
            moved = (x != 0) | (y != 0)
            out[(sub + 1) // 12] = float(np.cos(4.0 * np.arctan2(y[moved], x[moved])).mean())
    return out


def figure(found: dict) -> None:
    """convergence.png: distance from the finest step by measure, and directions."""
    from matplotlib.figure import Figure

    from tme_sim.plots.style import DPI, INK, MUTED, RUN_COLOURS, TEXT, dress_axes

    fig = Figure(figsize=(7.1, 3.2), dpi=DPI, layout="constrained")
    left, middle, right = fig.subplots(1, 3, width_ratios=(1.7, 1.0, 1.0))
    names = [n for n in MEASURED if n in found["steps"]]
    for i, name in enumerate(names):
        row = found["steps"][name]
        scale = 100.0 / row["mean"][0]
        x = np.array(STEPS[1:]) * (1.0 + 0.025 * (i - len(names) / 2))
        off, error = (scale * np.array(row[n][1:]) for n in ("off", "off_error"))
        left.errorbar(x, off, 2.0 * error, fmt="o-", ms=3, lw=0.9,
                      color=RUN_COLOURS[i % len(RUN_COLOURS)], label=MEASURED[name])  # fmt: skip
    left.axhline(0.0, color=INK, lw=0.6)
    left.axvline(30.0, color=MUTED, lw=0.6, ls=":")
    left.set_xscale("log")
    left.set_xticks(STEPS[1:], [str(s) for s in STEPS[1:]])
    left.set_xticks([], minor=True)
    dress_axes(left, "step (min)", "difference from the 10-minute step (%)")
    left.set_title("a week after a session", fontsize=TEXT, color=INK, loc="left")
    left.legend(frameon=False, fontsize=TEXT, loc="lower left", ncols=2, borderaxespad=0.2,
                columnspacing=0.6, handlelength=1.2, handletextpad=0.4)
    left.set_ylim(-80, 45)
    ring = found["colonies"]["radius"]
    middle.errorbar(np.arange(8) * 45, ring, 2.0 * np.array(found["colonies"]["radius_error"]), fmt="o-", ms=3, lw=0.9,
                    color=RUN_COLOURS[1])  # fmt: skip
    middle.axhline(1.0, color=INK, lw=0.6)
    middle.set_ylim(0.94, 1.06)
    middle.set_xticks(range(0, 360, 90))
    dress_axes(middle, "direction (degrees)", "radius over the mean radius")
    middle.set_title("colonies", fontsize=TEXT, color=INK, loc="left")
    hours = [int(h) for h in found["walkers"]]
    right.plot(hours, list(found["walkers"].values()), "o-", color=RUN_COLOURS[2], ms=3, lw=0.9)
    right.axhline(0.0, color=INK, lw=0.6)
    dress_axes(right, "hours walked", "mean cos(4 angle); 1: along axes only")
    right.set_title("walkers", fontsize=TEXT, color=INK, loc="left")
    fig.savefig(HERE / "convergence.png")


def main() -> None:
    """Run or redraw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", action="store_true", help="draw results.json again")
    parser.add_argument("--lattice", action="store_true", help="only what concerns the lattice, into results.json")
    path, asked = HERE / "results.json", parser.parse_args()
    if asked.lattice:
        found = json.loads(path.read_text()) | {"turned": turned(), "colonies": colonies(), "walkers": walkers()}
        path.write_text(json.dumps(found, indent=1) + "\n")
    elif not asked.figure:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        found = {"minutes": STEPS, "turned": turned(), "colonies": colonies(), "walkers": walkers()}
        print(json.dumps(found), flush=True)
        for seeds, found["steps"] in enumerate(steps(), start=2):
            found["seeds"] = seeds
            path.write_text(json.dumps(found, indent=1) + "\n")
    figure(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
