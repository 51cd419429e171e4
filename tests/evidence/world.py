"""Patients of the board: the default one, draws of what is not known, and cohorts; and short ways to run them.

What is not known is drawn within the evidence of each parameter: half of the draws below the value and half above it,
uniform on the scale of the logarithm (plain where the range reaches zero).  Parameters of PATIENT differ between the
patients of a cohort; the rest is biology that all patients share, and differs between draws.  Doses and kinetics of
drugs, and constants without a range, are not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from tme_sim.compiler.model import BaselineError
from tme_sim.engine.batch import run_batch
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.engine.run import Options
from tme_sim.ensemble import _joined, run_rows
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose
from tme_sim.plan import Plan
from tme_sim.protocol.calendar import ORDER, Entry
from tme_sim.quantities import internal, to_display
from tme_sim.simulation import structures
from tme_sim.therapies.library import Library

DRAWS = 24  # of single patients
BIOLOGIES = 6  # of cohorts
COHORT = 120  # patients of the cohort with biology as given
SMALLER = 20  # patients of the cohorts with drawn biology
SEED = 20
RTOL = 1e-4
STEPS = 3000  # of one run; what grows for years beyond any body needs more, and ends as NaN
LOSS_AT = 0.7, 160.0  # cell loss factor and doubling time that set the loss rate all patients have

# what differs between patients; the rest is biology they share
PATIENT = ("g0", "f_spec", "cd8_density", "mdsc_density", "treg_density", "excluded_share", "vessel_density", "perfused_share",
           "mature_share", "resistant_share", "unseen_share", "quiescent_share", "exhausted_share", "vegf_plasma_start",
           "tumour_share_vegf", "Vmax_tum", "core_share", "k_collateral")  # fmt: skip
NOT_DRAWN = ("kinetics",)  # mechanisms: their values come from the drug files
OF_LESION = ("diameter", "doubling_time", "cell_loss_factor")


@cache
def mechanisms():
    """All mechanisms, one tuple for every plan, so that plans share their compiled model."""
    return tuple(all_mechanisms())


@cache
def _set_up():
    return structures()


@cache
def library() -> Library:
    """The drugs."""
    return Library()


Choices = tuple[tuple[str, str], ...]  # hypotheses by slot, sorted


@cache
def drawn(choices: Choices = ()) -> Mapping[str, tuple[float, float, float]]:
    """Low, value and high (internal units) of every parameter of the body that is drawn, under these hypotheses."""
    network = compose(mechanisms(), hypotheses=dict(choices))
    return {
        p.name: tuple(internal(x, p.unit) for x in (p.low, p.value, p.high))
        for m in network.mechanisms if m.name not in NOT_DRAWN
        for p in m.parameters if p.low < p.high
    }  # fmt: skip


def within(low: float, value: float, high: float, u: float) -> float:
    """A draw between low and high with median `value`; `u` is uniform between 0 and 1."""
    a, b, w = (low, value, 2.0 * u) if u < 0.5 else (value, high, 2.0 * u - 1.0)
    if low > 0.0:
        return float(np.exp(np.log(a) + w * (np.log(b) - np.log(a))))
    return a + w * (b - a)


def _rng(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[SEED, sum(k * 100_003**i for i, k in enumerate(key, 1))]))


def values_of(names, rng, choices: Choices = ()) -> dict[str, float]:
    """A draw of these parameters."""
    return {name: within(*drawn(choices)[name], rng.random()) for name in names}


@cache
def draw(number: int, choices: Choices = ()) -> Mapping[str, float]:
    """Draw `number` of everything that is not known; 0 is the model as given.

    Draws in which the default patient cannot exist untreated are passed over (two of three are).
    """
    for attempt in range(200 if number else 0):
        values = values_of(drawn(), _rng(1, number, attempt), choices)
        values |= values_of([n for n in drawn(choices) if n not in drawn()], _rng(1, number, attempt + 1000), choices)
        try:
            _set_up()(plan(One(values), 1.0, dict(choices)))
        except BaselineError:
            continue
        return values
    return {}


@cache
def biology(number: int, choices: Choices = ()) -> Mapping[str, float]:
    """Draw `number` of what all patients of a cohort share; 0 is as given."""
    return {k: v for k, v in draw(number, choices).items() if k not in PATIENT}


# --- calendars -------------------------------------------------------------------------------------------------------


def entry(kind: str, day: float, **data) -> Entry:
    """A dated entry."""
    return Entry(round(day * TICKS_PER_DAY), ORDER[kind], kind, kind, 1, data)


def tace(day: float = 0.0, **changes) -> Entry:
    """An embolisation: conventional, superselective, to stasis, with 50 mg of doxorubicin."""
    data = {"technique": "conventional", "selectivity": "superselective", "endpoint": "stasis", "drug": "doxorubicin",
            "drug_load": 50.0, "targets": ()}  # fmt: skip
    return entry("tace", day, **data | changes)


def scans(*days: float) -> list[Entry]:
    """Scans on these days, the first of them the baseline."""
    return [entry("scan", day, method="mri") for day in days]


def doses(drug: str, milligrams: float, every: float, until: float, start: float = 0.0, hours: float = 1.0,
          artery: bool = False) -> list[Entry]:
    """Doses of a train; tablets where the drug is oral, otherwise infusions into a vein or the hepatic artery."""
    tablet = library().get(drug).route == "oral"
    length = 0 if tablet else round(60 * hours)
    route = "oral" if tablet else "hepatic_artery" if artery else "intravenous"
    return [entry("drug", day, drug=drug, dose=milligrams, duration=length, route=route)
            for day in np.arange(start, until, every)]  # fmt: skip


# --- patients and runs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class One:
    """One patient: values of the body and of the lesion (internal units), treatment, and the key of what is drawn.

    `more` are further lesions.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    lesion: Mapping[str, float] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    number: int = 0
    more: Sequence[Mapping[str, float]] = ()


def plan(one: One, days: float, hypotheses: Mapping[str, str] | None = None, **more) -> Plan:
    """The plan of a patient; without hypotheses the defaults."""
    chosen, taken = {}, {}
    for name in dict.fromkeys(e.data["drug"] for e in one.entries if e.kind == "drug"):
        drug = library().get(name).in_place(taken)
        taken[drug.slot] = chosen[drug.slot] = (drug, {})
    return Plan(mechanisms(), [dict(one.lesion), *map(dict, one.more)], values=dict(one.values), hypotheses=hypotheses or {}, drugs=chosen,
                entries=sorted(one.entries, key=lambda e: (e.tick, e.order)), stop=round(days * TICKS_PER_DAY), rtol=RTOL,
                max_steps=STEPS, patient=one.number, chance="drawn", **more)  # fmt: skip


def follow(people: Sequence[One], names: Sequence[str], days: Sequence[float], *, hypotheses=None,
           change: Callable | None = None) -> dict[str, np.ndarray]:
    """States and signals (display units) of every patient at `days` (from 0 on), as arrays (patients, days).

    A patient that cannot exist untreated is a row of NaN, and so are days that a run did not reach.  `change(model, y0)` changes the state
    at day 0 in place.
    """
    out = {name: np.full((len(people), len(days)), np.nan) for name in names}
    ready, rows = [], []
    for i, one in enumerate(people):
        try:
            made = _set_up()(plan(one, max(days) + 0.01, hypotheses))
        except BaselineError:
            continue
        if change is not None:
            change(made.model, made.y0)
        ready.append(made)
        rows.append(i)
    if not ready:
        return out
    model = ready[0].model
    jumps, queues, memory = _joined(ready)
    ticks = np.round(np.asarray(days) * TICKS_PER_DAY).astype(np.int64)
    found = run_batch(
        model.functions, np.stack([r.y0 for r in ready]), np.stack([r.u0 for r in ready]), np.stack([r.th for r in ready]),
        queues, int(ticks[-1]) + 1, Options(rtol=RTOL, atol=model.tolerances(RTOL), max_steps=STEPS), jumps=jumps, memory=memory,
        out_ticks=ticks, observe=model.observe, n_obs=len(model.node_names), start_tick=0, keep_y=True,
    )  # fmt: skip
    for name in names:
        full = next(n for n in (name, f"{name}.1") if n in model.state_names or n in model.node_names)
        table, at = ((found.out_y, model.state_names) if full in model.state_names else (found.out_obs, model.node_names))
        series = to_display(table[:, :, at.index(full)], model.units.get(name, "1"))
        out[name][rows] = series
    return out


def single(entries: Sequence[Entry], names: Sequence[str], days: Sequence[float], *, lesion=None, values=None,
           hypotheses=None, change=None, draws: int = DRAWS) -> dict[str, np.ndarray]:
    """The default patient (row 0) and `draws` draws under one calendar; `lesion` and `values` hold for all of them."""
    choices = tuple(sorted((hypotheses or {}).items()))
    people = [One({**draw(n, choices), **(values or {})}, lesion or {}, entries) for n in range(draws + 1)]
    return follow(people, names, days, hypotheses=hypotheses, change=change)


def grows(doubling_time: float) -> dict[str, float]:
    """Lesion values of a doubling time (days): cells are lost at one rate, so the loss factor follows."""
    factor, usual = LOSS_AT
    share = factor * doubling_time
    return {"doubling_time": doubling_time, "cell_loss_factor": share / (share + (1.0 - factor) * usual)}


def doubling_time(rng) -> float:
    """A doubling time: log-normal around 160 d with sigma 1.57, held within 11 and 851 d.

    The thirds of 1 374 untreated lesions (gutjnl-2020-321040) ask for this spread; the ends are those of a Korean series.
    """
    return float(np.clip(np.exp(np.log(160.0) + 1.57 * rng.standard_normal()), 11.0, 851.0))


WHOLE = 42 / 52  # sessions without any perfused tumour on perfusion CT within 48 h (PMC9028792)
HUMAN = (0.88, 0.15), (0.61, 0.28)  # mean and spread of what is lost: to stasis, short of it
RABBIT = (0.56, 0.16), (0.37, 0.18)  # the rival: rabbit VX2, twice the printed spreads (8 and 9), which may be standard errors


def occlusion(rng, complete: float = WHOLE, lost=HUMAN) -> float:
    """Share of perfused vessels that a session costs: to stasis in 42 of 52 sessions, short of it in the others.

    The spread to stasis is that of perfusion CT, 5.3 of 34.7 mL/100 mL/min; that short of it is the interval of 22 tumours on
    transcatheter MRI (48.3 to 73.6 %), as a standard deviation.
    """
    mean, spread = lost[0] if rng.random() < complete else lost[1]
    return float(np.clip(mean + spread * rng.standard_normal(), 0.05, 0.98))


def closed(rng, hypotheses: Mapping[str, str] | None = None) -> float | None:
    """The share that a session costs, drawn as above; None where a hypothesis draws it within the model."""
    lost = occlusion(rng)
    return None if "tace.reach" in (hypotheses or {}) else lost


SATELLITES = 54 / 269  # of lesions without any on imaging: 28 of 149 up to 30 mm (cncr.10892), 26 of 120 (wjg.v13.i33.4498)


def with_satellite(one: One) -> One:
    """The patient with a second lesion beside the first, absent in four of five; drawn from the patient's number alone.

    Its diameter, 2 mm with a spread of a half in the logarithm, and that the artery feeds a third of it are assumed.
    """
    rng = _rng(60, 0, one.number)
    there, size = float(rng.random() < SATELLITES), float(np.clip(2.0 * np.exp(0.5 * rng.standard_normal()), 0.3, 9.0))
    return replace(one, more=({**one.lesion, "present": there, "diameter": size, "arterial_share": 0.3},))


def cohort(number: int, size: Callable, treat: Callable, *, n: int | None = None, key: int = 0,
           values: Callable | None = None, hypotheses=None, apart: Sequence[str] = ()) -> list[One]:
    """Patients of biology `number`: diameter (mm) by `size(rng)`, entries by `treat(rng)`, more values by `values(rng)`.

    Parameters in `apart` differ between patients, too, instead of being shared.

    There are `n` (COHORT) of biology 0, and SMALLER of others.

    A patient that cannot exist untreated is drawn anew, with the size and growth kept, at most forty times.
    """
    out, choices = [], tuple(sorted((hypotheses or {}).items()))
    for patient in range((n or COHORT) if number == 0 else SMALLER):
        rng = _rng(2 + key, number, patient)
        lesion = {"diameter": size(rng), **grows(doubling_time(rng))}
        entries, more = treat(rng), values(rng) if values else {}
        for attempt in range(40):
            own = values_of(apart, _rng(100 + key, number, patient + 150 * (1 + attempt)), choices) if apart else {}
            one = One({**biology(number, choices), **values_of(PATIENT, rng, choices), **own, **more}, lesion, entries, patient)
            try:
                _set_up()(plan(one, 1.0, hypotheses))
            except BaselineError:
                continue
            out.append(one)
            break
    return out


def cohorts(measure: Callable[[list[One]], Mapping[str, float]], size, treat, **more) -> dict[str, list[float]]:
    """What `measure` finds in the cohort with biology as given (first) and in those with drawn biology."""
    found: dict[str, list[float]] = {}
    for number in range(BIOLOGIES + 1):
        people = cohort(number, size, treat, **more)
        if len(people) >= SMALLER // 2:
            for name, value in measure(people).items():
                found.setdefault(name, []).append(float(value))
    return found


def endpoints(people: Sequence[One], days: float, hypotheses=None) -> list[dict]:
    """Endpoints of every patient whose run came to its end."""
    rows = run_rows([plan(one, days, hypotheses) for one in people])
    return [row.summary for row in rows if row.summary]


def share(flags) -> float:
    """Per cent of a list that is true; NaN for an empty list."""
    flags = [bool(f) for f in flags]
    return 100.0 * sum(flags) / len(flags) if flags else float("nan")


def diameter(cells) -> np.ndarray:
    """Diameter (mm) of the sphere of so many viable cells at 2.06e8 per mL."""
    return np.cbrt(6.0 / np.pi * np.asarray(cells) / 2.06e5)
