"""What a run started with, plus all that came in, less all that went out, is what it ends with: to 1e-11 of the turnover.

Half a year with two embolisations and doses into every drug slot, for random patients; and two moieties: the drug in
its compartments, and tumour cells on their way from division to clearing.
"""

from __future__ import annotations

import numpy as np
import pytest
from agreement.environments import LESIONS, environments, functions, model

from conservation import ledgers
from tme_sim.compiler.model import BaselineError
from tme_sim.engine import queue, run
from tme_sim.quantities import internal
from tme_sim.therapies import dosing
from tme_sim.therapies.session import Session, body_changes, lesion_changes

pytestmark = pytest.mark.timeout(900)  # the first test of a fresh machine compiles the network
DAYS, TIGHT = 180, 1e-11
SLOTS = ("trap", "tki", "pd1", "ctla4", "chemo", "chemo2")
CLONES = ("", "_resistant", "_unseen")


@pytest.fixture(scope="module")
def whole():
    return model("whole")


@pytest.fixture(scope="module")
def bookkeeping(whole):
    return ledgers.functions(whole, [(e.y, e.u, e.th) for e in environments("whole").values()])


def patient(compiled, seed, **fixed):
    """Parameters drawn around their defaults (log-normal, sd 0.2, within their ranges), until the patient can exist."""
    rng = np.random.default_rng(seed)
    declared = {p.name: p for p in compiled.network.parameters()}
    for _ in range(200):
        par = compiled.defaults() * np.exp(rng.normal(0.0, 0.2, len(compiled.parameter_names)))
        for i, name in enumerate(compiled.parameter_names):
            p = declared[name.split(".")[0]]
            low, high = (v if v is None else internal(v, p.unit) for v in (p.low, p.high))
            par[i] = max(par[i], low) if low is not None else par[i]
            par[i] = min(par[i], high) if high is not None else par[i]
            if name.startswith(("present.", "gain_")):
                par[i] = 1.0
        for name, value in fixed.items():
            par[compiled.index("parameters", name)] = value
        try:
            return compiled.start(par)
        except BaselineError:
            continue
    raise AssertionError("no patient of 200 can exist")


def calendar(compiled, th, n_states, books):
    """Two sessions (days 10 and 60, one lesion each) and three doses into every slot.

    Held inputs follow `n_states` states.  With `books`, each change of a state is also booked as gained.
    """
    jumps, waiting = run.Jumps(), queue.new_queue(64)
    layout, n = compiled.layout, len(compiled.state_names)

    def value(name):
        return th[compiled.index("theta", name)]

    def add(day, changes, lesion):
        rows = []
        for row in changes:
            own = row.target in layout.states["body"] + layout.states["lesion"]
            dest = layout.index(layout.states if own else layout.held, row.target, lesion) + (0 if own else n_states)
            assert row.source in ("", row.target)
            source = dest if row.source else -1
            rows.append((dest, source, row.coefficient, row.constant))
            if own and books:
                rows.append((dest + n, source, row.coefficient, row.constant))
        queue.append(waiting, round(day * 1440), 10, queue.JUMP, jumps.group(rows))

    for day, lesion in ((10.0, 0), (60.0, 1)):
        session = Session(selectivity="segmental")
        add(day, body_changes(session, value), lesion)
        for delay, changes in lesion_changes(session, value):
            add(day + delay, changes, lesion)
    for slot in SLOTS:
        for day in (15.0, 36.0, 57.0):
            add(day, [dosing.add(f"{slot}_depot", 200.0)], 0)
    return jumps, waiting


def half_a_year(compiled, engine_functions, start, books=1, rtol=1e-5):
    """First and last state of a run, what the engine corrected, and the recorded steps; `books` 3 with ledgers, else 1."""
    y, u, th = start
    first = np.concatenate([y, np.zeros((books - 1) * y.size)])
    jumps, waiting = calendar(compiled, th, first.size, books == 3)
    state, records = run.new_state(first, u, waiting), run.Records()
    lower = np.where(np.arange(first.size) < y.size, 0.0, -np.inf)  # a book may fall: exchange flows both ways
    options = run.Options(rtol=rtol, atol=np.tile(compiled.tolerances(rtol), books), lower=lower)
    code = run.advance(engine_functions, state, th, DAYS * 1440, options, jumps, records=records)
    names = [f"{name}{book}" for book in ("", " gained", " lost")[:books] for name in compiled.state_names]
    assert code == 0, run.message(state, names)
    assert state.stats["jumps"] == 2 + 2 * 2 + 3 * len(SLOTS)
    return first, state.y, state.ledger, records


def test_books_are_the_right_hand_side(whole, bookkeeping):
    """Gains less losses are the rates of change, before any integration."""
    for e in environments("whole").values():
        dy = np.zeros(3 * e.y.size)
        bookkeeping.rhs(np.concatenate([e.y, e.y, e.y]), e.u, e.th, dy)
        own, gained, lost = dy.reshape(3, -1)
        assert (np.abs(own - (gained - lost)) <= 1e-13 * (np.abs(gained) + np.abs(lost))).all()


@pytest.mark.parametrize("seed", range(6))
def test_every_ledger_closes(whole, bookkeeping, seed):
    first, last, corrected, _ = half_a_year(whole, bookkeeping, patient(whole, seed), books=3)
    start, own, fixed = first[: len(whole.state_names)], *(v.reshape(3, -1) for v in (last, corrected))
    gained, lost = own[1] - fixed[1], own[2] - fixed[2]
    off = np.abs(own[0] - fixed[0] - start - (gained - lost))
    gross = np.abs(gained) + np.abs(lost)
    worst = int(np.argmax(np.where(gross > 0.0, off / np.where(gross > 0.0, gross, 1.0), off)))
    assert (off <= TIGHT * gross).all(), (whole.state_names[worst], off[worst], gross[worst])
    assert (gross > 0.0).mean() > 0.8
    assert (off > TIGHT * 1e-6 * gross)[gross > 0.0].any()  # rounding is there: this is not a comparison of 0 with 0


def test_a_small_leak_is_found(whole, bookkeeping):
    """A flow that is booked too high by a millionth breaks its ledger by far more than the tolerance."""
    first, last, _, _ = half_a_year(whole, bookkeeping, patient(whole, 0), books=3)
    own, gained, lost = last.reshape(3, -1)
    i = whole.index("states", "CD8")
    assert abs(own[i] - first[i] - (gained[i] * (1 + 1e-6) - lost[i])) > 1e3 * TIGHT * (gained[i] + lost[i])


def test_tumour_cells_only_change_their_state_between_division_and_clearing(whole):
    """All tumour cells of a lesion together change by divisions and clearing alone, all along a run."""
    start = patient(whole, 11)
    _, _, _, records = half_a_year(whole, functions(whole), start)
    _, steps, inputs = records.arrays()
    cells = [f"{state}{clone}" for clone in CLONES for state in ("cycling", "quiescent")] + ["dying", "necrotic"]
    dy, out, turnover = np.zeros(len(whole.state_names)), np.zeros(len(whole.node_names)), np.zeros((LESIONS, 2))
    for y, u in zip(np.maximum(steps[::10, 0], 0.0), inputs[::10], strict=True):
        whole.rhs(y, u, start[2], dy)
        whole.observe(y, u, start[2], out)
        for b in range(LESIONS):
            def rate(name, b=b):
                return out[whole.index("nodes", f"rate_{name}", b)]

            born = sum(rate(f"division{clone}") for clone in CLONES)
            cleared = rate("clearing_dying") + rate("clearing_necrotic")
            moving = sum(abs(dy[whole.index("states", name, b)]) for name in cells)
            change = sum(dy[whole.index("states", name, b)] for name in cells)
            assert abs(change - (born - cleared)) <= 1e-12 * (born + cleared + moving + rate("wake") + rate("arrest"))
            turnover[b] += born, cleared
    assert (turnover > 0.0).all()  # a lesion may die out, but not from the start


def test_drug_that_is_not_eliminated_stays(whole):
    """Without elimination, all that was given is in the compartments, wherever exchange has taken it."""
    fixed = {"pd1_CL": 0.0, "pd1_Vmax": 0.0, "pd1_Q": 5e5, "pd1_Q2": 1e5}
    _, last, corrected, _ = half_a_year(whole, functions(whole), patient(whole, 12, **fixed))
    names = [f"pd1_{part}" for part in ("depot", "central", "peripheral", "deep")]
    parts = [(last - corrected)[whole.index("states", name)] for name in names]
    assert sum(parts) == pytest.approx(600.0, rel=TIGHT)
    assert min(parts[1:]) > 50.0
