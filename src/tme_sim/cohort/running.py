"""Runs a trial: every patient through every arm, in chunks that are kept as they come.

With a folder, each chunk of rows is written as a file of its own that appears whole or not at all; a run that was
stopped goes on with the chunks it finds, if they are of the same trial.
"""

from __future__ import annotations

import hashlib
import json
import re
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from tme_sim.cohort.patients import VirtualPatient, make_fitted_patients, make_patients
from tme_sim.cohort.trial import Arm, Trial
from tme_sim.diagnostics import InputError, Problem
from tme_sim.disk import write_file
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.formats import json_text
from tme_sim.quantities import internal

if TYPE_CHECKING:
    from tme_sim.plan import Plan
    from tme_sim.scenario import Scenario
    from tme_sim.simulation import SetUp

    _Ready = list[tuple[Plan, SetUp | None] | str]

__all__ = ["CHUNK", "TrialResult", "entry_day", "entry_of", "follow_up_days", "run_trial"]

CHUNK = 1024  # patients between commits: enough of each number of tumours to fill the lanes of all cores
BYTES_PER_ROW = 4800  # in a chunk, in rows.csv and in rows.npz
DIGEST = re.compile(rb'"digest": "([0-9a-f]{64})"')  # of the trial, near the start of a chunk
AT_VISITS = ("ttp", "pfs", "tace_pfs", "untaceable")  # endpoints dated by visits, but for death


def entry_day(visits: np.ndarray) -> float:
    """Day of entry to an arm with these visits [day]: that of the baseline visit where drugs lead in, day 0 otherwise.

    Trials count from there.  Counted from the first session, the same patient would seem to lose by a lead-in the weeks
    that it lasts.
    """
    return min(0.0, float(visits[0]))


def entry_of(scenario: Scenario) -> float:
    """Day of entry to an arm whose protocol is that of a scenario; see :func:`entry_day`."""
    from tme_sim.observe import visit_ticks
    from tme_sim.plan import plan_of

    return entry_day(visit_ticks(plan_of(scenario)) / TICKS_PER_DAY)


@dataclass(frozen=True)
class TrialResult:
    """Rows of a trial.

    `rows[arm]` holds one dictionary of endpoints per patient, in the same order in every arm (with `patient` and
    `repeat`), without patients that could not be simulated in some arm (`failures` says which and why).  `follow_up`
    are days from entry until each patient of the rows is censored by dropout or the end of the trial, `visits[arm]` the
    days of the arm's scans, `values` what was drawn for each patient of the rows.
    """

    trial: Trial
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    values: Sequence[Mapping[str, Any]]
    follow_up: np.ndarray
    visits: Mapping[str, np.ndarray]
    failures: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0
    simulated: int = 0  # rows that were simulated now, not found in the folder
    patients: Sequence[VirtualPatient] = field(default=(), repr=False)

    @property
    def arms(self) -> list[str]:
        """Names of the arms."""
        return list(self.rows)

    def column(self, arm: str, endpoint: str) -> np.ndarray:
        """An endpoint of every patient of an arm (P), as simulated: without dropout and end of the trial.

        Raises:
            KeyError: an endpoint that the rows do not hold.
        """
        return np.array([row[endpoint] for row in self.rows[arm]])

    def begin(self, arm: str) -> float:
        """Day of entry to an arm, see :func:`entry_day`."""
        return entry_day(self.visits[arm])

    def since_entry(self, arm: str, endpoint: str) -> np.ndarray:
        """Days from entry to an event or day of every patient of an arm (P), as simulated."""
        return self.column(arm, endpoint).astype(np.float64) - self.begin(arm)

    def gains(self, first: str, second: str, endpoint: str = "pfs") -> np.ndarray:
        """Days that each patient gains by `second` over `first` (P), without dropout, in what was simulated of both."""
        end = self.trial.arms[0].scenario.stop_tick / TICKS_PER_DAY - max(self.begin(first), self.begin(second))
        return np.minimum(self.since_entry(second, endpoint), end) - np.minimum(self.since_entry(first, endpoint), end)

    def seen(self, arm: str, endpoint: str) -> tuple[np.ndarray, np.ndarray]:
        """Days from entry and events (P, P) of a time to event as the trial would record it.

        What happens after a patient's follow-up is not recorded: survival is then censored there, the others at the
        last visit before.
        """
        time = np.maximum(self.since_entry(arm, endpoint), 0.0)
        event = self.column(arm, f"{endpoint}_event").astype(bool)
        kept = event & (time <= self.follow_up)
        if endpoint == "os":
            return np.where(kept, time, np.minimum(time, self.follow_up)), kept
        visits = self.visits[arm] - self.begin(arm)
        last = visits[np.maximum(np.searchsorted(visits, self.follow_up, side="right") - 1, 0)]
        return np.where(kept, time, np.minimum(time, np.maximum(last, 0.0))), kept

    @property
    def closed(self) -> float:
        """Days for which the data of every patient are open, whenever he entered; infinity if they are never closed."""
        cut_off, accrual = self.trial.follow_up.cut_off, self.trial.follow_up.accrual
        return float(internal(*cut_off)) - float(internal(*accrual)) if cut_off is not None else np.inf

    def responded(self, arm: str, endpoint: str) -> np.ndarray:
        """Whether a response (``orr_recist11`` ...) was recorded (P): by the criterion of the trial, within follow-up.

        A complete response counts where the first response was within follow-up, partial or complete: rows date only
        that.  Responses by the other criteria carry no date and count as simulated.
        """
        value = self.column(arm, endpoint).astype(bool)
        criterion = self.trial.arms[0].scenario.imaging.criterion
        if endpoint not in (f"orr_{criterion}", f"cr_{criterion}", f"pr_{criterion}"):
            return value
        day = self.since_entry(arm, "pfs") - self.column(arm, "dor")
        return value & (day <= self.follow_up)

    @cached_property
    def at_entry(self) -> dict[str, np.ndarray]:
        """What the model says of each patient before treatment (P each): hypoxic share of the first lesion, MDSC share
        in blood, NLR, AFP in ng/mL; without those of mechanisms that are switched off, and empty if the patients are
        not known."""
        from tme_sim.plan import plan_of, untreated
        from tme_sim.quantities import to_display
        from tme_sim.simulation import structures

        asked = {"hypoxic_share": ("nodes", "hypoxic_share"), "mdsc_share": ("nodes", "MDSC_share"),
                 "nlr": ("nodes", "NLR"), "afp": ("states", "AFP")}  # fmt: skip
        set_up, scenario = structures(), self.trial.arms[0].scenario
        out: dict[str, list[float]] = {name: [] for name in asked}
        for patient in self.patients:
            ready = set_up(untreated(plan_of(scenario.changed(patient.changes))))
            model = ready.model
            nodes = np.empty(len(model.node_names))
            model.observe(ready.y0, ready.u0, ready.th, nodes)
            for name, (vector, place) in asked.items():
                names, values = (model.node_names, nodes) if vector == "nodes" else (model.state_names, ready.y0)
                if place in names or f"{place}.1" in names:
                    value = values[model.index(vector, place)]
                    out[name].append(to_display(float(value), "ng/mL") if name == "afp" else float(value))
        return {name: np.array(values) for name, values in out.items() if values}

    @property
    def repeat(self) -> np.ndarray:
        """Which repeat each patient of the rows belongs to, from 0."""
        first = next(iter(self.rows.values()))
        return np.array([row["repeat"] for row in first], dtype=np.int64)


def follow_up_days(trial: Trial, patients: Sequence[int]) -> np.ndarray:
    """Days after which patients are lost or the trial is closed, infinity if neither: the same in every arm."""
    from tme_sim.engine.rng import PURPOSES, exponential, uniform

    def draw(kind, patient: int, which: int) -> float:
        key = (trial.seed, patient, 0, 0, PURPOSES["dropout"], which)
        return float(kind(*(np.uint64(v) for v in key)))

    accrual, rate = (float(internal(*q)) for q in (trial.follow_up.accrual, trial.follow_up.dropout))
    out = np.full(len(patients), np.inf)
    for i, patient in enumerate(patients):
        if trial.follow_up.cut_off is not None:
            out[i] = float(internal(*trial.follow_up.cut_off)) - accrual * draw(uniform, patient, 0)
        if rate > 0.0:
            out[i] = min(out[i], draw(exponential, patient, 1) / rate)
    return out


def run_trial(
    trial: Trial,
    *,
    out: str | Path | None = None,
    jobs: int | None = None,
    announce: Callable[[str], None] | None = None,
    patients: Sequence[VirtualPatient] | None = None,
    chunk: int = CHUNK,
) -> TrialResult:
    """Simulate every patient in every arm.

    Args:
        out: a folder for ``chunks/``; what stands there already of the same trial is not simulated again.
        jobs: threads of the integrator, all cores by default; the rows do not depend on it.
        announce: told about progress.
        patients: those to use instead of ``make_patients(trial.cohort, n * repeats, seed)``.

    Raises:
        InputError: a folder that holds another trial, or an arm in which nobody is seen again.
    """
    from tme_sim import observe
    from tme_sim.plan import plan_of
    from tme_sim.simulation import structures

    begin = clock.perf_counter()
    visits = {arm.name: observe.visit_ticks(plan_of(arm.scenario)) / TICKS_PER_DAY for arm in trial.arms}
    for arm, days in visits.items():
        if len(days) < 2:
            raise InputError(
                Problem(trial.path, "", f"{arm} has no visit after the first, so nothing is seen of its tumours; begin "
                        "the visits earlier, or simulate for longer")  # fmt: skip
            )
    if patients is None:
        patients = _patients(trial, announce)
    chosen = list(patients)
    follow = follow_up_days(trial, [p.number for p in chosen])
    store = _Store(out, trial, chosen) if out is not None else None
    if store is not None and announce is not None:
        store.tell_space(len(chosen) * len(trial.arms), announce)
    # Patients with as many tumours run side by side; a row is the same in any company.
    order = sorted(range(len(chosen)), key=lambda i: (chosen[i].lesions, i))
    set_up = structures(announce)
    parts = [order[at : at + chunk] for at in range(0, len(order), chunk)]
    found: dict[str, dict[int, dict]] = {arm.name: {} for arm in trial.arms}
    total, done, simulated = len(chosen) * len(trial.arms), 0, 0
    missing: list[tuple[int, Arm]] = []
    for number, part in enumerate(parts):
        for arm in trial.arms:
            rows = store.read(arm.name, number, part) if store is not None else None
            if rows is None:
                missing.append((number, arm))
            else:
                found[arm.name] |= dict(zip(part, rows, strict=True))
                done += len(part)
    if store is not None and store.damaged and announce is not None:
        chunks = len(parts) * len(trial.arms)
        announce(f"damaged in {store.folder}, simulated again: {store.damaged} of {chunks} chunks")
    stop = Event()
    making = [partial(_ready, arm, [chosen[i] for i in parts[number]], set_up, stop) for number, arm in missing]
    try:
        for (number, arm), ready in zip(missing, _ahead(making, jobs != 1), strict=True):
            rows = _rows(ready, jobs)
            if store is not None:
                store.write(arm.name, number, parts[number], rows)
            found[arm.name] |= dict(zip(parts[number], rows, strict=True))
            done, simulated = done + len(rows), simulated + len(rows)
            if announce is not None:
                announce(f"{done} of {total} runs done")
    finally:
        stop.set()
    good, failures = [], []
    for i, patient in enumerate(chosen):
        bad = [(arm.name, found[arm.name][i]) for arm in trial.arms if found[arm.name][i]["status"] != "ok"]
        failures += [
            {"arm": name, "patient": patient.number, "status": row["status"], "message": row["message"]}
            for name, row in bad
        ]
        if not bad:
            good.append(i)
    rows = {
        arm.name: [
            {"patient": chosen[i].number, "repeat": _repeat(trial, i), **found[arm.name][i]["summary"]} for i in good
        ]
        for arm in trial.arms
    }
    return TrialResult(
        trial,
        rows,
        [chosen[i].values for i in good],
        follow[good],
        visits,
        failures,
        clock.perf_counter() - begin,
        simulated,
        [chosen[i] for i in good],
    )


def _patients(trial: Trial, announce: Callable[[str], None] | None) -> list[VirtualPatient]:
    """The patients of a trial: by its cohort, and where it follows a calibration each under a member of that."""
    given = {"scenario": trial.arms[0].scenario, "announce": announce}
    number = trial.n * trial.repeats
    if trial.posterior is None:
        return make_patients(trial.cohort, number, trial.seed, **given)
    return make_fitted_patients(trial.cohort, trial.posterior, number, trial.seed, **given)


def _repeat(trial: Trial, place: int) -> int:
    return min(place // trial.n, trial.repeats - 1)


def _ahead(making: Sequence[Callable[[], _Ready]], apart: bool) -> Iterator[_Ready]:
    """What each of `making` returns, in their order; `apart`, the next is made while the caller works on one.

    Checking, dating and setting up are Python, and integration lets Python go on beside it.
    """
    if not apart or len(making) < 2:
        yield from (one() for one in making)
        return
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(making[0])
        for following in (*making[1:], None):
            made = coming.result()
            if following is not None:
                coming = thread.submit(following)
            yield made


def _ready(arm: Arm, patients: Sequence[VirtualPatient], set_up: Callable[[Plan], SetUp], stop: Event) -> _Ready:
    """Plans of patients in an arm and their set-ups (None with agent tissue), or why there is none; cut short once
    nobody waits for them."""
    from tme_sim.ensemble import REFUSED
    from tme_sim.plan import plan_of

    out: _Ready = []
    for patient in patients:
        if stop.is_set():
            break
        try:
            plan = plan_of(arm.scenario.changed(patient.changes))
        except InputError as error:
            out.append(str(error))
            continue
        try:
            out.append((plan, set_up(plan) if plan.piece is None else None))
        except REFUSED as error:
            out.append(str(error))
    return out


def _rows(ready: _Ready, jobs: int | None) -> list[dict]:
    """Rows of what is ready, as they are stored: status, message, summary."""
    from tme_sim.ensemble import run_rows
    from tme_sim.row import BAD_INPUT, Row

    made = [one for one in ready if not isinstance(one, str)]
    known = {id(plan): one for plan, one in made}
    done = iter(run_rows([plan for plan, _ in made], threads=jobs, set_up=lambda plan: known[id(plan)],
                         until_death=True))  # fmt: skip
    rows = [Row(BAD_INPUT, one) if isinstance(one, str) else next(done) for one in ready]
    return [{"status": row.status, "message": row.message, "summary": row.summary} for row in rows]


class _Store:
    """Chunks of rows in a folder, each with the digest of what they belong to."""

    def __init__(self, out: str | Path, trial: Trial, patients: Sequence[VirtualPatient]):
        self.folder = Path(out) / "chunks"
        self.numbers = [p.number for p in patients]
        self.digest = trial.digest
        self.damaged = 0  # chunks that are there and cannot be used
        self.folder.mkdir(parents=True, exist_ok=True)
        found = (DIGEST.search(path.read_bytes()[:1000]) for path in sorted(self.folder.glob("*.json")))
        known = next((one[1].decode() for one in found if one), self.digest)  # a damaged chunk may tell nothing
        if known != self.digest:
            raise InputError(
                Problem(
                    str(out), "", "holds rows of another trial, or of another version of this one; choose another --out"
                )
            )

    def tell_space(self, rows: int, announce: Callable[[str], None]) -> None:
        """Say so if the disk does not hold so many rows, less the chunks that stand there."""
        from tme_sim.study.expected import short_of_space

        there = sum(path.stat().st_size for path in self.folder.glob("*.json"))
        short = short_of_space(self.folder.parent, rows * BYTES_PER_ROW - there)
        if short:
            announce(f"warning: {short}; what was written before the disk is full is kept")

    def _path(self, arm: str, number: int) -> Path:
        return self.folder / f"{arm}-{number:05d}.json"

    def _load(self, path: Path) -> dict:
        """A chunk; empty if there is none or it is not as it was written."""
        try:
            head, _, rest = path.read_text(encoding="utf-8").partition(",")
            data = json.loads(f"{head},{rest}")
        except (OSError, ValueError):
            return {}
        return data if head == _head("{" + rest) else {}

    def read(self, arm: str, number: int, part: Sequence[int]) -> list[dict] | None:
        """Rows of a part as they were simulated; None if they are not there, damaged, or of other patients."""
        path = self._path(arm, number)
        data = self._load(path)
        self.damaged += not data and path.exists()
        if data.get("digest") != self.digest or data["patients"] != [self.numbers[i] for i in part]:
            return None
        return [_restored(row, data["names"]) for row in data["rows"]]

    def write(self, arm: str, number: int, part: Sequence[int], rows: Sequence[dict]) -> None:
        names = next((list(row["summary"]) for row in rows if row["summary"]), [])
        data = {"digest": self.digest, "arm": arm, "patients": [self.numbers[i] for i in part], "names": names}
        text = json_text({**data, "rows": rows})
        write_file(self._path(arm, number), f"{_head(text)},{text[1:]}".encode())


def _head(text: str) -> str:
    """How the file of a chunk begins: with the digest of what follows."""
    return f'{{"check": "{hashlib.sha256(text.encode()).hexdigest()}"'


def _restored(row: dict, names: Sequence[str]) -> dict:
    """A stored row as the simulation gives it: in the order of `names`; nothing stands for a number that is none."""
    summary = row["summary"]
    return row | {"summary": {k: float("nan") if summary[k] is None else summary[k] for k in names if k in summary}}
