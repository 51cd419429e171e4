"""Well mixed, the real tissue has the rates of the mean field, process by process; walks and lines obey their formulas."""

from copy import deepcopy

import numpy as np
import pytest
from tissue.test_piece import piece

from tme_sim.engine.rng import PURPOSES
from tme_sim.tissue import kernels
from tme_sim.tissue.piece import CELLS, DYING, VIABLE, WALKERS, purpose, view
from tme_sim.tissue.settings import STEP_TICKS
from tme_sim.tissue.step import live, walkers

DT = STEP_TICKS / 1440.0  # days of the usual step
REPEATS = 40
NOWHERE = np.empty(0, dtype=np.int64)  # no margin


def mixed(oxygen: float = 6.0):
    """A piece in which every place is the same: one oxygen, one level of everything, immune cells at random."""
    one = piece("1 mm")
    state, rng = one.state, np.random.default_rng(5)
    for name in state.local:
        state.local[name][:] = state.local[name].mean()
    state.local["oxygen"][:] = oxygen
    state.local["anoxic_viable"][:] = 0.2
    state.local["doxorubicin"][:] = 5e-4
    state.kind = np.repeat(np.arange(len(WALKERS)), 400).astype(np.int8)
    state.walker = np.arange(state.kind.size, dtype=np.uint64) + np.uint64(10**7)
    state.where = rng.integers(0, one.frame.voxels, state.kind.size)
    state.heading = np.zeros(state.kind.size, dtype=np.int64)
    state.cell = rng.integers(1, len(CELLS), one.frame.voxels).astype(np.int8)
    state.vessel[:] = 0  # nobody arrives
    return one


def within(counted: float, expected: float, what: str) -> None:
    """Within four standard errors of a count."""
    assert abs(counted - expected) <= 4.0 * max(expected, 1.0) ** 0.5, f"{what}: {counted} counted, {expected:.1f} expected"


def test_fates_of_tumour_cells_have_the_rates_of_the_mean_field(monkeypatch):
    """Every fate of every kind, killing by touch included: number of cells from one kind to another, and of divisions."""
    one = mixed()
    laws, kinds = one.frame.laws, (*VIABLE, DYING, DYING + 1)
    here = view(one.frame, one.state, one.scalars)
    killers = np.bincount(one.state.where[one.state.kind == 0], minlength=one.frame.voxels)
    touch = one.scalars["contact_volume"] / 0.02**3
    mothers = []
    monkeypatch.setattr("tme_sim.tissue.step.divide", lambda frame, state, at: mothers.append(one.state.cell[at]))
    counted, expected = np.zeros((2, len(CELLS), len(CELLS) + 1))
    for number in range(REPEATS):
        state = deepcopy(one.state)
        state.step = number
        live(one.frame, state, here, one.scalars)
        changed = state.cell != one.state.cell
        np.add.at(counted, (one.state.cell[changed], state.cell[changed]), 1)
    np.add.at(counted, (np.concatenate(mothers), len(CELLS)), 1)
    for k in kinds:
        at, names = one.state.cell == k, laws.by_species[CELLS[k]]
        rates = np.array([np.broadcast_to(here.rate(n), at.shape)[at] for n in names])
        for row, name in enumerate(names):
            if laws.processes[name].kind == "contact":
                rates[row] *= killers[at] * touch
        struck = REPEATS * (rates / rates.sum(axis=0) * -np.expm1(-rates.sum(axis=0) * DT)).sum(axis=1)
        for name, number in zip(names, struck, strict=True):
            process = laws.processes[name]
            into = CELLS.index(process.into[0][0]) if process.into else 0
            expected[k, len(CELLS) if process.kind == "division" else into] += number
    assert counted.sum() > 2000
    for k in kinds:
        for into in range(len(CELLS) + 1):
            within(counted[k, into], expected[k, into], f"{CELLS[k]} to {[*CELLS, 'two'][into]}")


def test_fates_of_immune_cells_have_the_rates_of_the_mean_field():
    one = mixed()
    here, laws = view(one.frame, one.state, one.scalars), one.frame.laws
    change = np.zeros(len(WALKERS))
    for number in range(REPEATS):
        state = deepcopy(one.state)
        state.step = number
        walkers(one.frame, state, here, one.scalars)
        change += np.bincount(state.kind, minlength=len(WALKERS)) - 400
    expected, spread = np.zeros(len(WALKERS)), np.zeros(len(WALKERS))
    for k, name in enumerate(WALKERS):
        names = [p for p in laws.by_species[name] if laws.processes[p].kind != "arrival"]
        rates = [float(np.mean(here.rate(p))) for p in names]
        struck = REPEATS * 400 * (1.0 - np.exp(-sum(rates) * DT))
        for p, rate in zip(names, rates, strict=True):
            process, share = laws.processes[p], struck * rate / sum(rates)
            expected[k] += share if process.kind == "division" else -share
            spread[k] += share
            for into, amount in process.into if process.kind != "division" else ():
                if into in WALKERS:
                    number = one.scalars[amount] if isinstance(amount, str) else amount
                    expected[WALKERS.index(into)] += number * share
                    spread[WALKERS.index(into)] += (number + 1.0) ** 2 * share
    for k, name in enumerate(WALKERS):
        assert abs(change[k] - expected[k]) <= 4.0 * max(spread[k], 1.0) ** 0.5, name


@pytest.mark.parametrize("axes", [2, 3])
def test_walk_without_persistence_is_diffusion(axes):
    """Mean squared displacement: chance * steps * edge^2, that is 2 * axes * D t, 1e5 walkers, three standard errors (M14)."""
    n, steps, chance = {2: 400, 3: 64}[axes], 24, 0.8
    rng = np.random.default_rng(1)
    start = rng.integers(0, n**axes, 100_000)
    where, heading = start.copy(), np.zeros(start.size, dtype=np.int64)
    ids, flat, kind = np.arange(start.size, dtype=np.uint64), np.zeros(n**axes), np.zeros(start.size, dtype=np.int8)
    crowd = np.full(n**axes, -(10**6))
    for i in range(steps):
        kernels.walk(where, heading, ids, kind, np.array([False]), flat, np.ones(n**axes), crowd, np.uint64(1), np.uint64(0),
                     np.uint64(i), np.uint64(PURPOSES["migration"]), 1, chance, 0.0, 0.3, n if axes == 3 else 1, n, n)  # fmt: skip
    squared, spread = np.zeros(start.size), []
    for axis in range(axes):
        moved = (where // n**axis % n - start // n**axis % n + n // 2) % n - n // 2
        squared += moved * moved
        spread.append(float((moved * moved).mean()))
    assert abs(squared.mean() - chance * steps) <= 3.0 * squared.std() / squared.size**0.5
    assert max(spread) - min(spread) < 0.02 * max(spread)  # no axis is preferred


def test_lines_of_cells_die_out_as_often_as_they_should():
    """Birth-death lines from one cell, 4e5 of them: as many extinct as the branching process of these steps has, within three
    standard errors, and that process within a hundredth of d (1 - e) / (b - d e), e = exp((d - b) t), of continuous time (M13)."""
    birth, death, lines, steps = 0.6, 0.4, 400_000, 240
    line = np.arange(lines)  # of every living cell
    ids, free = line.astype(np.uint64), lines
    for i in range(steps):
        hit, process = struck([birth, death], ids, np.uint64(3), np.uint64(0), i, "cell_death", DT)
        stays = np.ones(ids.size, dtype=bool)
        stays[hit[process == 1]] = False
        born = line[hit[process == 0]]
        line = np.concatenate([line[stays], born])
        ids = np.concatenate([ids[stays], np.arange(free, free + born.size, dtype=np.uint64)])
        free += born.size
    event, expected = -np.expm1(-(birth + death) * DT), 0.0
    for _ in range(steps):
        expected = (event * (death + birth * expected**2)) / (birth + death) + (1.0 - event) * expected
    extinct = 1.0 - np.unique(line).size / lines
    assert abs(extinct - expected) <= 3.0 * (expected * (1 - expected) / lines) ** 0.5
    e = np.exp((death - birth) * steps * DT)
    assert expected == pytest.approx(death * (1.0 - e) / (birth - death * e), rel=0.01)


def struck(hazards, ids, seed, patient, step, what, dt):
    """Places in `ids` of those that one of `hazards`, the same for all, strikes in a step; and which of them."""
    rows, begin, kind = np.full(len(hazards), -1), np.array([0, len(hazards)]), np.zeros(ids.size, dtype=np.int8)
    return kernels.struck(kind, np.empty((0, ids.size)), rows, np.array(hazards), begin, ids, seed, patient,
                          np.uint64(step), purpose(what), dt)  # fmt: skip


def fate(frame, hazards, ids, step, what):
    """Which of `hazards`, the same for all, strikes each of `ids` in a step; -1 none."""
    out = np.full(ids.size, -1)
    hit, process = struck(hazards, ids, frame.seed, frame.patient, step, what, frame.dt)
    out[hit] = process
    return out


def test_what_strikes_nobody_strikes_nobody():
    one = piece()
    ids = np.arange(1000, dtype=np.uint64)
    assert (fate(one.frame, [0.0, 0.0], ids, 0, "division") == -1).all()


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_daughter_pushes_cells_into_the_free_place(dimension):
    nz = 7 if dimension == 3 else 1
    shape = (nz, 7, 7)
    cell = np.ones(nz * 49, dtype=np.int8)
    lineage = np.arange(1, cell.size + 1, dtype=np.uint64)
    mother, free = cell.size // 2, cell.size // 2 + 3
    cell[mother], cell[free], lineage[free] = 2, 0, 0
    kinds = np.zeros((2, len(CELLS)), dtype=np.int64)
    kernels.place_daughters(np.array([mother]), cell, lineage, np.zeros(cell.size, dtype=bool), NOWHERE, 1000, kinds, 5, np.uint64(1), np.uint64(0), np.uint64(0),
                            np.uint64(27), *shape)  # fmt: skip
    assert (cell > 0).all() and kinds[1].sum() == 0 and kinds[0, 2] == 1
    assert cell[mother] == cell[mother + 1] == 2 and lineage[mother + 1] == 1000
    assert np.unique(lineage).size == cell.size  # nobody was lost or doubled


def test_a_daughter_goes_to_every_side_as_often():
    """Four free sides, 4000 mothers: within four standard errors of a quarter each."""
    shape, middle, sides = (1, 9, 9), 40, np.zeros(81)
    for k in range(4000):
        cell, lineage = np.zeros(81, dtype=np.int8), np.zeros(81, dtype=np.uint64)
        cell[middle], lineage[middle] = 1, k + 1
        kernels.place_daughters(np.array([middle]), cell, lineage, np.zeros(81, dtype=bool), NOWHERE, 10_000,
                                np.zeros((2, len(CELLS)), dtype=np.int64), 4, np.uint64(1), np.uint64(0), np.uint64(0),
                                np.uint64(27), *shape)  # fmt: skip
        sides += cell
    assert sides[middle] == 4000
    for v in (middle - 1, middle + 1, middle - 9, middle + 9):
        assert abs(sides[v] - 1000) <= 4.0 * (4000 * 0.25 * 0.75) ** 0.5


def suite(found: np.ndarray, mean: float, variance: float) -> None:
    """The two statistics of the stochastic test suite of SBML: mean in (-3, 3), variance in (-5, 5)."""
    n = found.size
    assert abs(n**0.5 * (found.mean() - mean) / variance**0.5) < 3.0
    assert abs((n / 2.0) ** 0.5 * (found.var(ddof=1) / variance - 1.0)) < 5.0


def test_birth_and_death_pass_the_stochastic_suite():
    """Five cells that divide and die for a day, 10 000 times: mean and variance of the branching process of these steps (M15)."""
    frame, birth, death, start, replicas, steps = piece().frame, 0.6, 0.66, 5, 10_000, 48
    ids, replica = np.arange(start * replicas, dtype=np.uint64), np.repeat(np.arange(replicas), start)
    free = ids.size
    for i in range(steps):
        fates = fate(frame, [birth, death], ids, i, "division")
        born, kept = fates == 0, fates != 1
        new = np.arange(free, free + np.count_nonzero(born), dtype=np.uint64)
        free += new.size
        ids, replica = np.concatenate([ids[kept], new]), np.concatenate([replica[kept], replica[born]])
    event = 1.0 - np.exp(-(birth + death) * frame.dt)
    per_step = 1.0 + event * (birth - death) / (birth + death)  # mean offspring of one cell in a step, and their variance
    spread = event - (per_step - 1.0) ** 2
    mean = start * per_step**steps
    variance = start * spread * per_step ** (steps - 1) * (per_step**steps - 1.0) / (per_step - 1.0)
    assert mean == pytest.approx(start * np.exp((birth - death) * steps * frame.dt), rel=1e-3)  # and of the equations
    suite(np.bincount(replica, minlength=replicas).astype(float), mean, variance)


def test_arrival_and_death_pass_the_stochastic_suite():
    """Cells that arrive at a constant rate and die, from none, 10 000 times: Poisson numbers (M15)."""
    frame, arriving, death, replicas, steps = piece().frame, 30.0, 2.0, 10_000, 48
    ids, replica = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    places, free = np.arange(replicas, dtype=np.uint64), replicas
    for i in range(steps):
        gone = fate(frame, [death], ids, i, "differentiation") == 0
        _, at = kernels.arrivals(frame.seed, frame.patient, places, np.ones(replicas, dtype=bool), np.uint64(i),
                                 purpose("recruitment"), np.zeros(1, dtype=np.int64), np.empty((0, replicas)),
                                 np.array([-1]), np.array([arriving * frame.dt]))  # fmt: skip
        new = np.arange(free, free + at.size, dtype=np.uint64)
        free += new.size
        ids = np.concatenate([ids[~gone], new])
        replica = np.concatenate([replica[~gone], at])
    kept = np.exp(-death * frame.dt)
    mean = arriving * frame.dt * (1.0 - kept**steps) / (1.0 - kept)
    assert mean == pytest.approx(arriving / death * (1.0 - np.exp(-death * steps * frame.dt)), rel=0.03)
    suite(np.bincount(replica, minlength=replicas).astype(float), mean, mean)
