"""Agent tissue against PhysiCell and BioFVM: the same problem in both, results compared first, then time and memory.

``python -m benchmarks --only tissue-peers --physicell DIR`` compiles a release of PhysiCell that the user has unpacked
into DIR together with `drivers/physicell.cpp`; without it nothing here is measured.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fields import BYTES
from benchmarks.measure import Goal, cpu

DRIVER = Path(__file__).resolve().parent / "drivers" / "physicell.cpp"
FLAGS = ("-march=native", "-O3", "-fomit-frame-pointer", "-fopenmp", "-std=c++11", "-w")
FOLDERS = ("BioFVM", "core", "modules")
ASIDE = ("PhysiCell_digital_cell_line.cpp", "PhysiCell_POV.cpp")  # its own Makefiles leave these out, too
EDGE = 20.0  # um
UM2_PER_MIN = 60.0
CELL_VOLUME = 2494.0  # um^3, the default of PhysiCell: with more, cells of a lattice of 20 um repel each other
SLACK = 1e-9  # of the largest value: two orders of the same sums


# --- building --------------------------------------------------------------------------------------------------------


def sources(folder: Path) -> list[Path]:
    """What has to be compiled of a release.

    Raises:
        FileNotFoundError: the folder holds none.
    """
    found = [p for part in FOLDERS for p in sorted((folder / part).glob("*.cpp")) if p.name not in ASIDE]
    if not (folder / "core" / "PhysiCell.h").is_file() or not found:
        raise FileNotFoundError(f"{folder}: holds no release of PhysiCell (core/PhysiCell.h is not there)")
    return found


def release(folder: Path) -> str:
    """What the release calls itself."""
    path = folder / "VERSION.txt"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "without a version"


def build(folder: Path, say) -> Path:
    """The driver, compiled with this release; kept in the folder of temporary files until a source changes.

    Raises:
        FileNotFoundError: no release there, or no compiler.
        RuntimeError: it does not compile.
    """
    parts, compiler = sources(folder), shutil.which("g++")
    if compiler is None:
        raise FileNotFoundError("g++ is not installed")
    digest = hashlib.blake2b(repr(FLAGS).encode(), digest_size=8)
    for path in (*parts, DRIVER):
        digest.update(path.read_bytes())
    place = Path(tempfile.gettempdir()) / f"tme_sim-physicell-{digest.hexdigest()}"
    driver = place / "driver"
    if driver.is_file():
        return driver
    place.mkdir(parents=True, exist_ok=True)
    say(f"compiling {len(parts) + 1} files of PhysiCell {release(folder)}; about two minutes, once")
    objects = []
    for path in (*parts, DRIVER):
        objects.append(place / f"{path.stem}.o")
        command = [compiler, *FLAGS, f"-I{folder}", "-c", str(path), "-o", str(objects[-1])]
        if (done := subprocess.run(command, capture_output=True, text=True)).returncode:
            raise RuntimeError(f"{path.name} does not compile:\n{done.stderr[:2000]}")
    linked = subprocess.run([compiler, *FLAGS, *map(str, objects), "-o", str(driver)], capture_output=True, text=True)
    if linked.returncode:
        raise RuntimeError(f"the driver does not link:\n{linked.stderr[:2000]}")
    return driver


def drive(driver: Path, what: str, given: list) -> np.ndarray:
    """What the driver writes for the numbers `given`, in one thread.

    Raises:
        RuntimeError: it ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        into, out = Path(folder) / "in", Path(folder) / "out"
        np.concatenate([np.asarray(g, dtype=np.float64).ravel() for g in given]).tofile(into)
        done = subprocess.run([str(driver), what, str(into), str(out)], capture_output=True, text=True,
                              env={"OMP_NUM_THREADS": "1"}, cwd=folder)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"driver {what}: ended with {done.returncode}: {done.stderr[-500:]}")
        return np.fromfile(out)


# --- a field ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """Substrates that diffuse and decay, taken up and given by agents in some voxels; times in minutes."""

    n: int = 75
    substrates: int = 1
    dt: float = 0.01
    spread: float = 2000.0 * UM2_PER_MIN  # um^2/min
    decay: float = 0.1
    agents: float = 0.3  # share of voxels with an agent
    compared: int = 20  # steps before values are compared

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        return (self.n,) * 3

    def drawn(self) -> dict[str, np.ndarray]:
        """Uptake, exchange, its target [voxel] and the start [substrate, voxel]."""
        draw, voxels = np.random.default_rng(5), self.n**3
        there = draw.random(voxels) < self.agents
        giving = there & (draw.random(voxels) < 0.1)
        return {
            "secretion": np.where(giving, 6.0, 0.0),
            "target": np.where(giving, 40.0, 0.0),
            "uptake": np.where(there & ~giving, draw.uniform(5.0, 15.0, voxels), 0.0),
            "start": draw.uniform(0.0, 40.0, (self.substrates, voxels)),
        }


def loss(dt: float, taken: np.ndarray, decay: float) -> np.ndarray:
    """Loss per minute of our step that takes what BioFVM's agents take and its three axes let decay."""
    return ((1.0 + dt * taken) * (1.0 + dt * decay / 3.0) ** 3 - 1.0) / dt


def same_scheme(problem: Field, drawn: dict[str, np.ndarray], exchange: bool = True):
    """Our step with the coefficients of BioFVM's, which puts a third of the decay into every axis.

    With a third a = dt * decay / 3, an axis 1 + a - c * (second difference) is (1 + a) times our axis with c / (1 + a);
    the three factors 1 + a go to the exchange, which both take implicitly before they diffuse.
    """
    from tme_sim.engine.fields import Diffusion

    dt, a = problem.dt, problem.dt * problem.decay / 3.0
    given, taken = drawn["secretion"] * exchange, (drawn["secretion"] + drawn["uptake"]) * exchange
    spread = problem.spread / EDGE**2 / (1.0 + a)
    return Diffusion(problem.shape, spread, dt, loss(dt, taken, problem.decay).reshape(problem.shape),
                     (given * drawn["target"]).reshape(problem.shape), order=1)  # fmt: skip


def field(driver: Path, problem: Field, repeats: int, timed: int) -> dict[str, float]:
    """Millions of voxel-updates per second and substrate of both, after their values were compared.

    Raises:
        RuntimeError: the values differ.
    """
    drawn, voxels, many = problem.drawn(), problem.n**3, problem.substrates
    given = [*problem.shape, EDGE, problem.dt, many, problem.compared, timed, repeats, [problem.spread] * many,
             [problem.decay] * many, drawn["secretion"], drawn["target"], drawn["uptake"], drawn["start"]]  # fmt: skip
    out = drive(driver, "field", given)
    theirs = out[: many * voxels].reshape(many, voxels)
    diffusing, whole = out[many * voxels :].reshape(2, repeats).min(axis=1)
    both, alone = same_scheme(problem, drawn), same_scheme(problem, drawn, exchange=False)
    mine = [one.reshape(problem.shape).copy() for one in drawn["start"]]
    for one in mine:
        for _ in range(problem.compared):
            both.step(one)
    off = max(float(np.abs(a.ravel() - b).max()) for a, b in zip(mine, theirs, strict=True)) / float(theirs.max())
    if off > SLACK:
        raise RuntimeError(f"values of the field differ by {off:g} of the largest")

    def least(stepper) -> float:
        def work():
            for _ in range(timed):
                for one in mine:
                    stepper.step(one)

        return min(cpu(work)[0] for _ in range(repeats)) / timed

    def rate(seconds: float) -> float:
        return float(many * voxels / seconds / 1e6)

    place = np.empty_like(mine[0])
    copied = min(cpu(lambda: [np.copyto(place, mine[0]) for _ in range(timed)])[0] for _ in range(repeats)) / timed
    return {
        "largest difference, of the largest value": off,
        "roofline of two passes, one substrate": mine[0].size / copied / 1e6 * 16 / BYTES,
        "BioFVM, diffusion and decay": rate(diffusing),
        "ours, diffusion and decay": rate(least(alone)),
        "BioFVM, agents too": rate(whole),
        "ours, agents too": rate(least(both)),
    }


# --- cells -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cells:
    """Cells that take up oxygen, divide where there is enough and die where there is little; times in minutes.

    None of these numbers is biology: they make enough happen within an hour to compare, and put vessels to one side,
    so that there is a gradient.
    """

    n: int = 24
    spread: float = 2000.0 * UM2_PER_MIN
    decay: float = 0.1
    uptake: float = 10.0
    exchange: float = 10.0
    inside: float = 60.0  # mmHg
    divide: tuple[float, float, float] = (0.01, 5.0, 38.0)  # per minute at most; mmHg where it begins, and is full
    die: tuple[float, float] = (0.01, 8.0)  # per minute without oxygen; mmHg where it ends
    filled: float = 0.5  # share of voxels with a cell
    vessels: float = 0.4  # share of voxels with a vessel at one side; a third of it after every 40 % of the way
    settle: float = 10.0
    minutes: float = 60.0
    step: float = 30.0  # of agent tissue
    their_field: float = 0.01  # steps of PhysiCell
    their_cells: float = 6.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        return (self.n,) * 3

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Voxels of cells and of vessels, none of both."""
        draw = np.random.default_rng(6).random(self.n**3)
        way = (np.arange(self.n**3) % self.n + 0.5) / self.n
        return np.flatnonzero(draw < self.filled), np.flatnonzero(draw > 1.0 - self.vessels * 3.0 ** (-way / 0.4))

    def hazards(self, oxygen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Division and death per minute."""
        most, begins, full = self.divide
        return (most * np.clip((oxygen - begins) / (full - begins), 0.0, 1.0),
                self.die[0] * (1.0 - np.clip(oxygen / self.die[1], 0.0, 1.0)))  # fmt: skip


class Ours:
    """The problem by the kernels of agent tissue: oxygen, strikes, places for daughters.

    With `theirs` in the steps of PhysiCell, oxygen in time; without, in those of agent tissue, oxygen at rest.
    """

    def __init__(self, problem: Cells, seed: int, theirs: bool):
        from tme_sim.engine.fields import Diffusion, Multigrid

        self.problem, self.seed, voxels = problem, np.uint64(seed), problem.n**3
        self.cell, self.lineage = np.zeros(voxels, dtype=np.int8), np.zeros(voxels, dtype=np.uint64)
        cells, vessels = problem.places()
        self.cell[cells], self.lineage[cells] = 1, np.arange(1, cells.size + 1)
        self.exchange = np.zeros(voxels)
        self.exchange[vessels] = problem.exchange
        self.oxygen, self.next_id, self.number = np.full(voxels, 40.0), cells.size + 1, 0
        self.divisions = self.deaths = 0
        self.theirs, self.dt = theirs, problem.their_cells if theirs else problem.step
        c = problem.spread / EDGE**2
        third = problem.their_field * problem.decay / 3.0
        self.field = Diffusion(problem.shape, c / (1.0 + third), problem.their_field) if theirs else None
        self.grid = None if theirs else Multigrid(problem.shape, c)
        self.breathe(problem.settle)

    def breathe(self, minutes: float) -> None:
        """Oxygen after so many minutes in the steps of PhysiCell, or at rest."""
        from tme_sim.engine.fields import steady_field

        p, shape = self.problem, self.problem.shape
        u, source = self.oxygen.reshape(shape), self.exchange * p.inside
        taken = p.uptake * self.cell + self.exchange
        if self.theirs:
            self.field.set_sources(loss(p.their_field, taken, p.decay).reshape(shape), source.reshape(shape))
            for _ in range(round(minutes / p.their_field)):
                self.field.step(u)
            dt = p.their_field  # agents of PhysiCell look at oxygen after they have exchanged it
            self.seen = (self.oxygen + dt * source) / (1.0 + dt * taken)
        else:
            steady_field(u, (p.decay + taken).reshape(shape), source.reshape(shape), p.spread / EDGE**2, 1e-3,
                         grid=self.grid)  # fmt: skip
            self.seen = self.oxygen

    def step(self) -> None:
        """One step: oxygen, deaths, divisions."""
        from tme_sim.engine.rng import PURPOSES
        from tme_sim.tissue import kernels

        self.breathe(self.dt)
        divide, die = self.problem.hazards(self.seen)
        n, step, fate = self.cell.size, np.uint64(self.number), np.zeros(self.cell.size, dtype=np.int16)
        none, rows, begin, sums = np.zeros(n), np.arange(2), np.array([0, 0, 2]), np.array([-1, 2])
        kernels.strikes(self.cell, np.stack([die, divide, die + divide]), np.empty((0, 0)), rows, np.zeros(2), sums,
                        np.zeros(2), np.zeros(2, bool), begin, none, np.zeros(n, dtype=np.int32), 0.0, self.lineage,
                        self.seed, np.uint64(0), step, np.uint64(PURPOSES["cell_death"]), self.dt, 0.0, fate, none,
                        0, n)  # fmt: skip
        struck = np.flatnonzero(fate)
        dead = fate[struck] == 1
        gone, mothers = struck[dead], struck[~dead]
        self.cell[gone], self.lineage[gone] = 0, 0
        order = mothers[np.argsort(self.lineage[mothers], kind="stable")]
        self.next_id, _ = kernels.place_daughters(
            order, self.cell, self.lineage, np.zeros(n, dtype=bool), np.empty(0, dtype=np.int64), self.next_id,
            np.zeros((2, 2), dtype=np.int64), 5, self.seed, np.uint64(0), step, np.uint64(PURPOSES["placement"]),
            *self.problem.shape,
        )  # fmt: skip
        self.divisions, self.deaths = self.divisions + mothers.size, self.deaths + gone.size
        self.number += 1

    def run(self) -> None:
        """All steps."""
        for _ in range(round(self.problem.minutes / self.dt)):
            self.step()


def peer(driver: Path, problem: Cells, mechanics: bool, seed: int) -> dict[str, object]:
    """The problem by PhysiCell."""
    cells, vessels = problem.places()
    given = [*(problem.n,) * 3, EDGE, problem.spread, problem.decay, problem.uptake, problem.exchange, problem.inside,
             40.0, problem.divide, problem.die, CELL_VOLUME, float(mechanics), problem.settle, problem.minutes, seed,
             problem.their_field, cells.size, cells, vessels.size, vessels]  # fmt: skip
    out = drive(driver, "cells", given)
    seconds, left, divisions, deaths, per_agent, mesh = out[problem.n**3 :]
    return {"oxygen": out[: problem.n**3], "seconds": seconds, "cells": left, "divisions": divisions,
            "deaths": deaths, "bytes per agent": per_agent, "bytes per voxel": mesh / problem.n**3}  # fmt: skip


def apart(a: float, b: float) -> float:
    """How many standard errors two counts of rare events are apart."""
    return float(abs(a - b) / np.sqrt(max(1.0, a + b)))


def distance(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Largest and root mean square difference of two fields."""
    off = one - other
    return {"largest, mmHg": float(np.abs(off).max()), "root mean square, mmHg": float(np.sqrt((off**2).mean()))}


def course(problem: Cells, seeds: int, theirs: bool) -> dict[str, float]:
    """Least seconds of our runs, and means of their counts."""
    Ours(problem, 1, theirs).run()  # compiles
    seconds, counts = float("inf"), np.zeros(2)
    for seed in range(1, seeds + 1):
        one = Ours(problem, seed, theirs)
        seconds = min(seconds, cpu(one.run)[0])
        counts += one.divisions, one.deaths
    held = sum(a.nbytes for a in (one.cell, one.lineage, one.oxygen, one.exchange))
    return {"seconds": seconds, "divisions": counts[0] / seeds, "deaths": counts[1] / seeds,
            "bytes per agent, with its voxel": held / problem.places()[0].size}  # fmt: skip


def hybrid(driver: Path, problem: Cells, seeds: int) -> dict:
    """Both, mechanics of the peer on and off: oxygen and counts compared, least seconds, bytes of an agent.

    Raises:
        RuntimeError: oxygen, or without mechanics the counts, do not agree in the same steps.
    """
    theirs = {}
    for name, on in (("mechanics on", True), ("mechanics off", False)):
        again = [peer(driver, problem, on, 1) for _ in range(max(1, seeds // 3))]  # ours is the least of several, too
        theirs[name] = min(again, key=lambda one: one["seconds"])
    oxygen = theirs["mechanics off"]["oxygen"]
    same = distance(Ours(problem, 1, True).seen, oxygen)
    if same["largest, mmHg"] > SLACK * oxygen.max():
        raise RuntimeError(f"oxygen differs in the same steps: {same}")
    found = {
        "cells": float(problem.places()[0].size),
        "minutes": problem.minutes,
        "oxygen before the run": {
            "mean, mmHg": float(oxygen.mean()),
            "ours in the same steps against PhysiCell": same,
            "ours at rest against PhysiCell": distance(Ours(problem, 1, False).seen, oxygen),
        },
        "ours, the same steps": course(problem, max(2, seeds // 2), True),
        "ours, its own steps": course(problem, seeds, False),
    }
    mine = found["ours, the same steps"]
    for name, one in theirs.items():
        one.pop("oxygen")
        for what in ("divisions", "deaths"):
            one[f"{what} apart, standard errors"] = apart(one[what], mine[what])
        if name == "mechanics off" and max(one[f"{w} apart, standard errors"] for w in ("divisions", "deaths")) > 4.0:
            raise RuntimeError(f"counts differ in the same steps: {one}, {mine}")
        for ours in ("the same steps", "its own steps"):
            one[f"ratio of time, ours in {ours}"] = one["seconds"] / found[f"ours, {ours}"]["seconds"]
        found[f"PhysiCell, {name}"] = one
    return found


# --- the section -----------------------------------------------------------------------------------------------------


def goals(fields: dict | None = None, cells: dict | None = None) -> list[Goal]:
    """The goals, not measured where there is nothing."""
    nan, out = float("nan"), []
    for many, must, aim in ((1, 10.0, 25.0), (4, 6.0, 12.0)):
        found = (fields or {}).get(many)
        a, b = (found["ours, diffusion and decay"], found["BioFVM, diffusion and decay"]) if found else (nan, nan)
        out.append(Goal(f"implicit diffusion in 3-D, {many} substrate{'s' * (many > 1)}", f"{a:.0f} Mvoxel/s",
                        f"BioFVM {b:.1f} Mvoxel/s", a / b, must, aim))  # fmt: skip
    for name in ("mechanics on", "mechanics off"):
        a = cells["ours, the same steps"]["seconds"] if cells else nan
        b = cells[f"PhysiCell, {name}"]["seconds"] if cells else nan
        out.append(Goal(f"whole hybrid in the same steps, {name} there", f"{a:.3g} s", f"PhysiCell {b:.3g} s", b / a,
                        5.0, 20.0))  # fmt: skip
    a = cells["ours, the same steps"]["bytes per agent, with its voxel"] if cells else nan
    b = cells["PhysiCell, mechanics on"]["bytes per agent"] if cells else nan
    out.append(Goal("bytes per agent, this problem", f"{a:.0f} B", f"PhysiCell {b:.0f} B", a, 500.0, 150.0, False,
                    "bytes"))  # fmt: skip
    return out


def run(*, quick: bool, say, physicell: str | None = None) -> dict:
    """Every figure of this section."""
    section = {"what": "the same fields and cells by agent tissue and by PhysiCell, one thread each, CPU time"}

    def closed(made: list[Goal], **more) -> dict:
        return section | more | {"goals": [g.record() for g in made], "lines": [g.line() for g in made]}

    if physicell is None:
        return closed(goals(), left_out={"PhysiCell": "give its folder with --physicell DIR"})
    try:
        driver = build(Path(physicell).resolve(), say)
    except FileNotFoundError as error:
        return closed(goals(), left_out={"PhysiCell": str(error)})
    fields = {}
    for many in (1, 4):
        problem = Field(n=32 if quick else 75, substrates=many)
        fields[many] = found = field(driver, problem, 2 if quick else 5, 5 if quick else 20)
        say(f"{problem.n}^3 voxels, {many} substrates: " + ", ".join(f"{k} {v:.3g}" for k, v in found.items()))
    cells = hybrid(driver, Cells(n=12, minutes=30.0) if quick else Cells(), 3 if quick else 10)
    for name, found in cells.items():
        if isinstance(found, dict):
            say(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in found.items() if not isinstance(v, dict)))
    facts = {"PhysiCell": release(Path(physicell)), "cells": cells,
             "fields, million voxel-updates a second": {f"{k} substrates": v for k, v in fields.items()}}  # fmt: skip
    return closed(goals(fields, cells), facts=facts)
