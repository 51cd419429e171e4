"""A run with agent tissue from start to end: exchanges, what is kept of it, checkpoints and going on from one."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.disk import write_file
from tme_sim.engine import run as engine
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.formats import array_bytes, read_arrays
from tme_sim.quantities import internal
from tme_sim.tissue.coupling import Coupling
from tme_sim.tissue.files import Film, TissueRecord
from tme_sim.tissue.piece import EDGE, State
from tme_sim.tissue.procedures import done, jumps_done
from tme_sim.tissue.settings import FILES, kept_as, machine_mebibytes

KEPT = 2  # checkpoints: when the newest is damaged, the one before is used
FIRST = "day_"
MOST_THREADS = 8  # fields and cells of a piece gain little from more


def integrate(plan, ready, ticks: np.ndarray, announce: Callable[[str], None] | None = None,
              checkpoints: str | Path | None = None, watch: Callable[[str, bytes], None] | None = None,
              records: engine.Records | None = None):  # fmt: skip
    """Advance body and piece over the plan; (states, held, nodes at `ticks`, counts of the engine, a record).

    `checkpoints` is a folder: the run goes on from the newest whole checkpoint of the same run that lies there, and
    leaves one every `piece.checkpoint_every`.  `watch` is given name and content of every snapshot as it is taken;
    `records` collects the accepted steps of the equations.

    Raises:
        InputError: the piece is too large for this machine, or a nodule for its piece.
        SimulationError: an integration that did not reach the end.
    """
    course = Course(plan, ready, ticks, records)
    course.record.watch = watch
    say = announce or (lambda text: None)
    say(course.coupling.described())
    if not (checkpoints is not None and course.go_on(Path(checkpoints), say)):
        course.begin()
    course.finish(say, None if checkpoints is None else Path(checkpoints))
    return course.states, course.held, course.nodes, course.run.stats, course.record


class Course:
    """A run with agent tissue at a date of exchange: engine, piece, and rows, snapshots and frames kept so far."""

    def __init__(self, plan, ready, ticks: np.ndarray, records: engine.Records | None = None):
        self.plan, self.ready, self.ticks, self.records, model = plan, ready, ticks, records, ready.model
        if told := plan.piece.beyond(machine_mebibytes()):  # before anything is allocated
            raise InputError(Problem("piece.size", "", told))
        self.functions = replace(model.functions, decide=ready.decide)
        self.run = engine.new_state(ready.y0, ready.u0, ready.queue, start_tick=plan.start, memory=ready.memory)
        threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
        self.coupling = Coupling(model, ready.th, plan.piece, plan.seed, plan.patient, threads)
        self.record, self.film = TissueRecord(), Film(self.coupling.frame.shape)
        self.row, self.tick = 0, plan.start  # next row to be kept, next date of exchange
        self.written: list[str] = []  # checkpoints of this run that lie in its folder, by name
        self.states = np.full((ticks.size, ready.y0.size), np.nan)
        self.held = np.full((ticks.size, ready.u0.size), np.nan)
        self.nodes = np.full((ticks.size, len(model.node_names)), np.nan)
        self.own = {n: model.index("nodes", n, 0) for n in model.layout.nodes["lesion"]}

    def begin(self) -> None:
        """The untreated piece, and its picture."""
        piece = self.plan.piece
        for key in FILES:
            if path := getattr(piece, key):
                self.record.files[kept_as(key, path)] = Path(path).read_bytes()
        self.coupling.begin(self.ready.y0, self.ready.u0)
        self.has_room("while it settled, before the first day")
        for tick, label in snapshot_ticks(self.plan, self.ready.events):
            if tick < self.plan.start:  # before anything that happens at the very start
                day = self.plan.start / TICKS_PER_DAY
                self.record.add_snapshot(day, self.coupling.snapshot(day, label))

    def has_room(self, when: str) -> None:
        """A nodule still has liver on every side.

        Raises:
            SimulationError: it has none; `when` it had no more.
        """
        from tme_sim.outcome import SimulationError

        if self.coupling.at_edge:
            size = self.coupling.frame.shape[2] * EDGE
            told = f"the nodule reached the edge of its piece of {size:g} mm {when}"
            raise SimulationError(f"{told}; raise piece.size, or let run.duration end before")

    def finish(self, say: Callable[[str], None], checkpoints: Path | None) -> None:
        """Advance to the end of the plan.

        Raises:
            SimulationError: as :func:`integrate`.
        """
        from tme_sim.outcome import SimulationError, why_it_ended

        plan, run = self.plan, self.run
        options = engine.Options(rtol=plan.rtol, atol=self.ready.model.tolerances(plan.rtol),
                                 max_steps=plan.max_steps * 100)  # fmt: skip
        jumps = self.ready.jumps.arrays()
        shots = dict(snapshot_ticks(plan, self.ready.events))
        between, every = to_ticks(plan.piece.film_every), to_ticks(plan.piece.checkpoint_every)
        begun = told = time.monotonic()
        while True:
            tick = self.tick
            before = done(run.queue)
            if engine.advance(self.functions, run, self.ready.th, tick, options, jumps, records=self.records) != 0:
                raise SimulationError(why_it_ended(self.ready.model, run, self.ready.th))
            for rows in jumps_done(run.queue, before, jumps):
                self.coupling.treat(rows)
            self.coupling.exchange(run.y, run.u)
            self.has_room(f"on day {tick / TICKS_PER_DAY:.4g}")
            since = max(tick - self.coupling.exchange_ticks + 1, plan.start)
            passed = range(since, tick + 1) if tick > plan.start else (tick,)
            self.keep()
            for label in (shots[t] for t in passed if t in shots):
                self.record.add_snapshot(tick / TICKS_PER_DAY, self.coupling.snapshot(tick / TICKS_PER_DAY, label))
            if between and any((t - plan.start) % between == 0 for t in passed):
                self.film.add(self.coupling.state, tick / TICKS_PER_DAY)
            self.coupling.shown()
            if tick >= plan.stop:
                break
            self.tick = min(tick + self.coupling.exchange_ticks, plan.stop)
            if tick > plan.start and any((t - plan.start) % every == 0 for t in passed):
                self.checkpoint(tick, checkpoints)
            now = time.monotonic()
            if now - told > 10.0:
                say(f"day {tick / TICKS_PER_DAY:.0f} of {plan.stop / TICKS_PER_DAY:.0f}")
                told = now
            if plan.wall_seconds is not None and now - begun > plan.wall_seconds:
                where = f"day {tick / TICKS_PER_DAY:.6g}"
                raise SimulationError(f"time budget used up at {where}; raise run.wall_limit or lower piece.size")
            self.coupling.advance()
        self.ready.memory = run.memory
        if self.film.days:
            self.record.files["snapshots/film.npz"] = self.film.content()
        self.record.measure()

    def keep(self) -> None:
        """Keep the rows that are due at this date, with what the piece measures in place of the closure's signals."""
        if self.row >= self.ticks.size or self.ticks[self.row] > self.tick:
            return
        measured = self.coupling.measured()
        while self.row < self.ticks.size and self.ticks[self.row] <= self.tick:
            self.states[self.row], self.held[self.row] = self.run.y, self.run.u
            self.nodes[self.row] = self.coupling.nodes
            for name, value in measured.items():
                if name in self.own:
                    self.nodes[self.row, self.own[name]] = value
            self.row += 1

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def key(self) -> str:
        """Digest of all that decides this run, so that only its own checkpoints are used."""
        from tme_sim import __numerics__

        ready, plan = self.ready, self.plan
        h = hashlib.blake2b(digest_size=16)
        for array in (ready.par, ready.th, ready.queue, ready.memory, *ready.jumps.arrays(), self.ticks):
            h.update(np.ascontiguousarray(array).tobytes())
        for source in sorted(Path(__file__).parent.glob("*.py")):  # a checkpoint of other mechanics is none of this run
            h.update(source.read_bytes())
        text = (ready.model.digest, __numerics__, plan.seed, plan.patient, plan.start, plan.stop, plan.rtol,
                plan.piece.model_dump_json())  # fmt: skip
        h.update(repr(text).encode())
        for path in filter(None, (plan.piece.cells, plan.piece.vessels)):
            h.update(Path(path).read_bytes())
        return h.hexdigest()

    def checkpoint(self, tick: int, folder: Path | None) -> None:
        """Write a checkpoint of this date, atomically, and keep the last ones for the run folder."""
        content = array_bytes(self.arrays())
        name = f"{FIRST}{(tick - self.plan.start) / TICKS_PER_DAY:08.2f}.npz"
        mine = sorted(n for n in self.record.files if n.startswith("checkpoints/"))
        for old in mine[: max(0, len(mine) - KEPT + 1)]:
            del self.record.files[old]
        self.record.files[f"checkpoints/{name}"] = content
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / name, content)
            self.written.append(name)  # those of another run lie as they are: they may be of a later day
            for old in self.written[:-KEPT]:
                (folder / old).unlink(missing_ok=True)
            del self.written[:-KEPT]

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the rest of the run depends on, and what is kept so far."""
        c = self.coupling
        out = {f"engine_{n}": a for n, a in vars(self.run).items()}
        out |= {f"piece_{n}": a for n, a in c.state.arrays().items()}
        out |= {"own": c.th, "before": np.array(list(c.before.values())),
                "place": np.array([self.tick, self.row], dtype=np.int64), "key": np.array([self.key()], dtype=np.str_),
                "states": self.states[: self.row], "held": self.held[: self.row],
                "nodes": self.nodes[: self.row]}  # fmt: skip
        out |= {f"film_{n}": a for n, a in self.film.arrays().items()}
        files = sorted(n for n in self.record.files if not n.startswith("checkpoints/"))
        return out | {f"file_{n}": np.frombuffer(self.record.files[n], dtype=np.uint8) for n in files}

    def go_on(self, folder: Path, say: Callable[[str], None]) -> bool:
        """Take up the newest whole checkpoint of this run in `folder`; whether there was one.

        A damaged one is named, and the one before it used.
        """
        mine: dict[str, bytes] = {}  # the newest whole ones of this run, newest first
        going = ""
        for path in sorted(folder.glob(f"{FIRST}*.npz"), reverse=True) if folder.is_dir() else ():
            try:
                arrays = read_arrays(content := path.read_bytes(), str(path))
                if str(arrays["key"][0]) != self.key():
                    if not mine:
                        say(f"{path}: is a checkpoint of another run or version; it is not used")
                    continue
                if not mine:
                    self.take(arrays)
                    going = f"going on from day {self.run.time:g} ({path})"
            except (InputError, KeyError, ValueError, OSError) as error:
                reason = str(error) if isinstance(error, InputError) else f"{path}: is damaged"
                if not mine:
                    say(f"{reason}; the one before it is used, if there is one")
                continue
            mine[path.name] = content
            if len(mine) == KEPT:
                break
        self.written = sorted(mine)
        self.record.files |= {f"checkpoints/{name}": mine[name] for name in self.written}
        if going:
            say(going)
        return bool(going)

    def take(self, arrays: dict[str, np.ndarray]) -> None:
        """Continue from what :meth:`arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit.
        """
        c = self.coupling
        run = engine.State(**{n: np.array(arrays[f"engine_{n}"]) for n in vars(self.run)})
        state = State.of({n[6:]: a for n, a in arrays.items() if n.startswith("piece_")})
        tick, row = (int(v) for v in arrays["place"])
        film = Film(c.frame.shape)
        film.take({n[5:]: a for n, a in arrays.items() if n.startswith("film_")})
        self.states[:row], self.held[:row], self.nodes[:row] = (arrays[n] for n in ("states", "held", "nodes"))
        self.run, c.state, c.th[:], self.film = run, state, arrays["own"], film
        self.row, self.tick = row, tick
        self.record.files = {n[5:]: a.tobytes() for n, a in arrays.items() if n.startswith("file_")}
        c.lay(self.ready.y0, self.ready.u0)
        c.resume(self.run.y, self.run.u, arrays["before"])
        c.advance()


def to_ticks(quantity) -> int:
    """A duration in minutes."""
    return round(float(internal(*quantity)) * TICKS_PER_DAY)


def snapshot_ticks(plan, events: list[dict]) -> list[tuple[int, str]]:
    """Dates of the snapshots and what they are called, counted from the first session (without one, from day 0).

    A day after the end of the run is taken at its end, and is called by the day that this is.
    """
    first = min((e["tick"] for e in events if e["kind"] == "tace"), default=None)
    out = {}
    for day in plan.piece.snapshots:
        wanted = (first or 0) + round(day * TICKS_PER_DAY)
        tick = max(min(wanted, plan.stop), plan.start - 1 if day < 0 else plan.start)
        if first is None:
            label = f"day {tick / TICKS_PER_DAY:g}"
        elif day < 0:
            label = "before TACE"
        else:
            label = f"day {day if tick == wanted else (tick - first) / TICKS_PER_DAY:g} after TACE"
        out.setdefault(tick, label)
    last = max((t for t, label in out.items() if label == "before TACE"), default=None)
    for tick in [t for t, label in out.items() if label == "before TACE" and t != last]:
        out[tick] = f"{(first - tick) / TICKS_PER_DAY:.4g} days before TACE"  # names are told apart in the summary
    return sorted(out.items())
