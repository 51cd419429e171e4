"""The same small lesion as a piece from inside it, as a whole nodule in liver, and as densities; one session.

    python experiments/piece_or_nodule/study.py            # about three minutes on two cores
    python experiments/piece_or_nodule/study.py --figures  # draws results.npz again
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue.snapshots import read_snapshot

HERE = Path(__file__).parent
IMAGES = HERE.parents[1] / "docs" / "images"
START, DAYS, SEEDS = 5, 33, (1, 2)
SCENARIO = f"""
schema = 1
name = "small_lesion"
[[patient.lesion]]
name = "main"
diameter = "2 mm"
doubling_time = "160 day"
[[protocol.treatment]]
kind = "tace"
start = "day {START}"
technique = "conventional"
targets = ["main"]
[run]
duration = "{DAYS} day"
"""
AGENTS = 'tissue = "agents"\n[piece]\nsettle = "5 day"\nfilm_every = "0 day"\nsnapshots = [-1, 3, 28]\n'
KINDS = {
    "nodule": ('mode = "nodule"\nsize = "2.6 mm"\n', "whole nodule"),
    "piece": ('size = "1.2 mm"\n', "representative piece"),
    "density": ("", "densities"),
}
CELLS = ("cycling", "quiescent", "cycling_resistant", "quiescent_resistant", "cycling_unseen", "quiescent_unseen")
SHOWN = {"viable": "viable cells, day 0 = 1", "hypoxic": "viable cells below 12 mmHg",
         "perfusion": "perfusion, untreated = 1", "cd8": "CD8 per mm³"}  # fmt: skip


def run(kind: str, seed: int) -> tuple[dict[str, np.ndarray], dict[str, bytes]]:
    """Courses of one run, and its snapshots."""
    more = KINDS[kind][0]
    text = SCENARIO.replace("[[patient", f"{AGENTS}{more}[[patient", 1) if more else SCENARIO
    one = simulate(Scenario.from_text(text, changes=[f"seed={seed}"]))
    viable = sum(one[f"{n}.1"] for n in CELLS)
    got = {"day": one.time, "viable": viable / viable[0], "hypoxic": one["hypoxic_share.1"],
           "perfusion": one["perfusion.1"], "cd8": one["CD8_total.1"]}  # fmt: skip
    return got, {n: c for n, c in one.files.items() if n.startswith("snapshots/0")} if more else {}


def study() -> None:
    """Every run; courses into results.npz, snapshots of the first seed beside it."""
    out = {}
    for kind in KINDS:
        for seed in SEEDS[: 1 if kind == "density" else None]:
            courses, files = run(kind, seed)
            out |= {f"{kind}_{seed}_{n}": a for n, a in courses.items()}
            print(kind, seed, {n: round(float(a[-1]), 3) for n, a in courses.items()}, flush=True)
            if seed == SEEDS[0]:
                out |= {f"shot_{kind}_{i}": np.frombuffer(files[name], dtype=np.uint8)
                        for i, name in enumerate(sorted(files))}  # fmt: skip
    np.savez_compressed(HERE / "results.npz", **out)


def figures() -> None:
    """The pictures of docs/nodule.md."""
    from matplotlib.figure import Figure

    from tme_sim.plots.style import DPI, INK, MUTED, RUN_COLOURS, TEXT, dress_axes
    from tme_sim.plots.tissue import snapshot_sheet

    found = dict(np.load(HERE / "results.npz"))
    fig = Figure(figsize=(7.1, 2.3), dpi=DPI, layout="constrained")
    for axes, (name, label) in zip(fig.subplots(1, 4), SHOWN.items(), strict=True):
        for (kind, (_, said)), colour in zip(KINDS.items(), RUN_COLOURS[1:], strict=False):
            for seed in SEEDS:
                if f"{kind}_{seed}_day" in found:
                    day = found[f"{kind}_{seed}_day"]
                    lived = day > day[0]  # the first row is the lesion that the piece is made from
                    axes.plot(day[lived], found[f"{kind}_{seed}_{name}"][lived], color=colour, lw=0.9,
                              label=said if seed == SEEDS[0] else None)  # fmt: skip
        axes.axvline(START, color=MUTED, lw=0.6, ls=":")
        axes.set_title(label, fontsize=TEXT, color=INK, loc="left")
        dress_axes(axes, "day", None)
        axes.set_ylim(bottom=0)
    fig.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False, fontsize=TEXT)
    fig.savefig(IMAGES / "nodule_courses.png")
    for kind in ("nodule", "piece"):
        names = sorted(n for n in found if n.startswith(f"shot_{kind}_"))
        shots = [read_snapshot(found[n].tobytes(), n) for n in names]
        snapshot_sheet(shots, KINDS[kind][1][:1].upper() + KINDS[kind][1][1:], ("cells", "oxygen")).savefig(
            IMAGES / f"nodule_{kind}.png", dpi=120)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", action="store_true", help="draw results.npz again")
    if not parser.parse_args().figures:
        study()
    figures()
