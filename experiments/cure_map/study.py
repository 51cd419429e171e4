"""How likely a session kills every cell of a piece, by how much it closes and how much drug it leaves; and for how long
a second, mild session changes the odds.

    python experiments/cure_map/study.py            # fifteen minutes on one core
    python experiments/cure_map/study.py --figure   # draws results.json again

The body is held as it is untreated (no primed T cells arrive), so this is about vessels, oxygen, drug and chance.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from tme_sim import simulation
from tme_sim.quantities import Quantity
from tme_sim.scenario import Scenario
from tme_sim.therapies.session import TECHNIQUES, Session, lesion_changes
from tme_sim.tissue.coupling import Coupling, embolise
from tme_sim.tissue.piece import is_viable
from tme_sim.tissue.settings import Tissue

HERE = Path(__file__).resolve().parent
PATIENT = HERE.parents[1] / "configs" / "untreated.toml"
LOST = (0.5, 0.7, 0.85, 0.95, 0.98, 1.0)  # share of open vessels that the session closes
DOSES = (0.0, 50.0)  # mg of doxorubicin
SECOND = (1, 7, 21)  # days of a second session after the first
MILD = 0.3  # of the vessels open then, without drug
DAYS, SIZE, REPEATS = 28, 0.6, 12  # of 0.6 mm: one depot of drug on average
TRIES = 32  # pieces of each day of a second session


class Bench:
    """A made model and a body held at its untreated values."""

    def __init__(self):
        self.plan = simulation.plan_of(Scenario.load(PATIENT).changed(["tissue=agents", "run.duration=1 day"]))
        self.made = simulation.set_up(self.plan)

    def course(self, lost: float, dose: float, seed: int, second: int | None = None) -> list[int]:
        """Viable cells day by day after a session; ends when none is left."""
        made = self.made
        piece = Tissue(size=Quantity(SIZE, "mm"), settle=Quantity(0.0, "day"), step=Quantity(60.0, "min"))
        one = Coupling.untreated(made, piece, seed)
        y, u, held = made.y0.copy(), made.u0.copy(), made.model.held_names.index("recanalisation_rate.1")
        rate = TECHNIQUES["conventional"].recanalisation.internal
        self.session(one, y, lost, dose)
        counts = [int(is_viable(one.state).sum())]
        for day in range(1, DAYS + 1):
            if day == 4:  # gelatin opens from day 3 on
                u[held] = rate
                one.read(y, u)
            if second is not None and day == second + 1:
                self.session(one, y, MILD, 0.0)
                one.read(y, u)
            one.live(1440 // piece.ticks)
            counts.append(int(is_viable(one.state).sum()))
            if counts[-1] == 0 or (day >= 10 and counts[-1] > 0.5 * counts[0] and second is None):
                break  # nothing is left, or it is growing back
        return counts

    def session(self, one: Coupling, y: np.ndarray, lost: float, dose: float) -> None:
        """Close a share of the vessels that are still free, alike in core and rim, and leave drug."""
        scalars = one.read(y, self.made.u0)
        told = one.told(scalars)
        before = {n: told[n] for n in ("occluded_core", "occluded_rim")}
        after = {n: v + lost * (1.0 - v) for n, v in before.items()}
        rise = {n: after[n] - before[n] for n in before} | {"depot_slow": 0.0, "depot_fast": 0.0}
        for row in lesion_changes(Session("conventional", dose=dose), scalars.__getitem__)[0][1]:
            if row.target in rise and row.target.startswith("depot"):
                rise[row.target] = row.constant
        embolise(one.frame, one.state, scalars, before, after, rise)


def study() -> dict:
    """Cured pieces of REPEATS by what the session does; and of TRIES by the day of a second one."""
    bench = Bench()
    cured, left = np.zeros((len(DOSES), len(LOST))), np.zeros((len(DOSES), len(LOST)))
    for i, dose in enumerate(DOSES):
        for j, lost in enumerate(LOST):
            courses = [bench.course(lost, dose, 100 + seed) for seed in range(REPEATS)]
            cured[i, j] = np.mean([c[-1] == 0 for c in courses])
            left[i, j] = np.mean([min(c) / c[0] for c in courses])
        print(dose, cured[i].tolist(), left[i].round(3).tolist(), flush=True)
    i, j = np.unravel_index(np.argmin(np.abs(cured - 0.5)), cured.shape)  # where it is most open
    seeds = range(200, 200 + TRIES)
    odds = {"none": [bench.course(LOST[j], DOSES[i], seed)[-1] == 0 for seed in seeds]}
    for day in SECOND:
        odds[str(day)] = [bench.course(LOST[j], DOSES[i], seed, day)[-1] == 0 for seed in seeds]
        print(day, np.mean(odds[str(day)]), flush=True)
    return {"lost": LOST, "doses": DOSES, "repeats": REPEATS, "tries": TRIES, "cured": cured.tolist(),
            "left": left.tolist(), "at": [LOST[j], DOSES[i]],
            "second": {k: float(np.mean(v)) for k, v in odds.items()}}  # fmt: skip


def figure(found: dict) -> None:
    """cure_map.png."""
    from matplotlib.figure import Figure

    from tme_sim.plots.style import DPI, INK, MUTED, RUN_COLOURS, TEXT, dress_axes

    fig = Figure(figsize=(7.1, 2.7), dpi=DPI, layout="constrained")
    left, right = fig.subplots(1, 2, width_ratios=(1.35, 1.0))
    cured = np.array(found["cured"])
    image = left.imshow(cured, cmap="cividis", vmin=0, vmax=1, aspect="auto", origin="lower")
    for i, row in enumerate(cured):
        for j, value in enumerate(row):
            colour = "white" if value < 0.6 else INK
            left.text(j, i, f"{value:.2g}", ha="center", va="center", fontsize=TEXT, color=colour)
    left.set_xticks(range(len(found["lost"])), [f"{100 * v:.0f}" for v in found["lost"]])
    left.set_yticks(range(len(found["doses"])), [f"{v:g}" for v in found["doses"]])
    dress_axes(left, "vessels closed (%)", "doxorubicin (mg)")
    left.set_title("pieces without a living cell within four weeks", fontsize=TEXT, color=INK, loc="left")
    dress_axes(fig.colorbar(image, ax=left, shrink=0.8).ax, None, None)
    days = [int(d) for d in found["second"] if d != "none"]
    n = found["tries"]
    share = np.array([found["second"][str(d)] for d in days])
    error = np.sqrt(np.maximum(share * (1 - share), 0.25 / n) / n)
    right.errorbar(days, share, error, fmt="o-", ms=3, lw=0.9, color=RUN_COLOURS[1])
    none = found["second"]["none"]
    right.axhline(none, color=MUTED, lw=0.8, ls="--")
    right.text(days[-1], none - 0.02, "no second session", fontsize=TEXT, color=MUTED, ha="right", va="top")
    right.set_ylim(-0.03, 1.03)
    dress_axes(right, "day of a second, mild session", None)
    lost, dose = found["at"]
    right.set_title(f"cured, after {100 * lost:.0f} % closed and {dose:g} mg", fontsize=TEXT, color=INK, loc="left")
    fig.savefig(HERE / "cure_map.png")


def main() -> None:
    """Run or redraw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", action="store_true", help="draw results.json again")
    path = HERE / "results.json"
    if not parser.parse_args().figure:
        path.write_text(json.dumps(study(), indent=1) + "\n")
    figure(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
