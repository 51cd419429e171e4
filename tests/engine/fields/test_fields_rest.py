"""Fields at rest: closed and manufactured solutions, order, any start, warm starts, balance, bytes."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from tme_sim.engine import fields
from tme_sim.engine.fields import Multigrid, steady_field, steady_oxygen
from tme_sim.engine.fields.radial import steady_shells


def centres(*shape):
    """Middles of the cells of the unit box, one broadcastable array per axis."""
    return np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij")


def tissue(shape, seed=1):
    """Uneven uptake and scattered vessels, many closed: (uptake, exchange, spread), mmHg and seconds."""
    draw = np.random.default_rng(seed)
    uptake = draw.uniform(5.0, 25.0, shape)
    exchange = np.where(draw.random(shape) < 0.03, draw.lognormal(2.0, 1.0, shape), 0.0)
    exchange.flat[0] = 5.0
    return uptake, exchange, 2000.0 / 20.0**2


def direct(a, f, spread, periodic):
    """The linear problem solved by a sparse factorisation."""
    import scipy.sparse as sparse
    from scipy.sparse.linalg import spsolve

    shape = a.shape
    number = np.arange(a.size).reshape(shape)
    rows, columns = [], []
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        pairs = [(np.take(number, range(n - 1), axis), np.take(number, range(1, n), axis))]
        if periodic:
            pairs.append((np.take(number, [n - 1], axis), np.take(number, [0], axis)))
        for i, j in pairs:
            rows += [i.ravel(), j.ravel()]
            columns += [j.ravel(), i.ravel()]
    i, j = np.concatenate(rows), np.concatenate(columns)
    links = sparse.csr_matrix((np.full(i.size, spread), (i, j)), (a.size, a.size))
    matrix = sparse.diags(np.asarray(links.sum(axis=1)).ravel() + a.ravel()) - links
    return spsolve(matrix.tocsc(), f.ravel()).reshape(shape)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(16, 16), (13, 7), (1, 9), (3, 2), (8, 6, 4), (5, 7, 3), (2, 2, 2), (1, 1, 5)])
def test_it_solves_the_equations_of_the_lattice(shape, periodic):
    draw = np.random.default_rng(2)
    a, f = np.where(draw.random(shape) < 0.5, draw.lognormal(0, 2, shape), 0.0), draw.normal(size=shape)
    a.flat[0] = 1.0
    exact = direct(a, f, 3.0, periodic)
    p = np.zeros(shape)
    end = steady_field(p, a, f, 3.0, 1e-12 * np.abs(exact).max(), periodic=periodic)
    assert end.converged and np.abs(p - exact).max() <= 1e-10 * np.abs(exact).max()
    step = 0.7
    p = draw.random(shape)
    exact = direct(a + 1 / step, f + p / step, 3.0, periodic)
    assert steady_field(p, a, f, 3.0, 1e-12, step=step, periodic=periodic).converged
    assert np.abs(p - exact).max() <= 1e-10 * np.abs(exact).max()


def manufactured(shape):
    """Largest error against p = 30 + 5 cos cos ... mmHg, made to hold by the value in the vessels."""
    D, uptake, K, exchange = 10.0, 500.0, 20.0, 200.0
    waves = (1, 2) if len(shape) == 2 else (1, 1, 1)
    space = math.prod((np.cos(math.pi * k * c) for k, c in zip(waves, centres(*shape), strict=True)), start=1.0)
    exact = 30.0 + 5.0 * space
    bend = D * math.pi**2 * sum(k * k for k in waves) * 5.0 * space
    vessel = exact + (uptake * exact / (exact + K) + bend) / exchange
    p = np.zeros(shape)
    assert steady_oxygen(p, uptake, K, exchange, vessel, D * shape[0] ** 2, 1e-9).converged
    return np.abs(p - exact).max()


@pytest.mark.parametrize(("axes", "sizes"), [(2, (8, 16, 32, 64, 128)), (3, (6, 12, 24, 48, 96))])
def test_second_order_with_saturating_uptake_over_four_refinements(axes, sizes):
    errors = [manufactured((n,) * axes) for n in sizes]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(slopes[-3:] - 2.0).max() <= 0.05 and slopes.min() > 1.8, (errors, slopes)


def test_oxygen_falls_exponentially_around_a_source():
    n, spread, loss = 65, 100.0, 4.0  # 5 voxels of decay length
    p, source = np.zeros((n, n, n)), np.zeros((n, n, n))
    source[32, 32, 32] = 1.0
    assert steady_field(p, loss, source, spread, 1e-13).converged
    length = math.sqrt(spread / loss)
    r = np.arange(6, 20)
    exact = np.exp(-r / length) / (4 * math.pi * spread * r)
    assert np.abs(p[32, 32, 32 + r] / exact - 1.0).max() < 0.02
    assert p.sum() * loss == pytest.approx(1.0, rel=1e-8)
    d = np.arange(4, 12)  # along the diagonal of the lattice
    far = math.sqrt(3.0) * d
    exact = np.exp(-far / length) / (4 * math.pi * spread * far)
    assert np.abs(p[32 + d, 32 + d, 32 + d] / exact - 1.0).max() < 0.02


def test_a_core_without_oxygen_on_the_lattice_has_the_radius_of_the_cubic():
    """Promise M4 on 20 um voxels: an eighth of a sphere of 0.5 mm, held outside by a vessel."""
    D, q, c0, radius, h = 2e-9, 0.02, 0.28, 500e-6, 20e-6
    z, y, x = (c * 27 * h for c in centres(27, 27, 27))
    inside = x**2 + y**2 + z**2 < radius**2
    p, spread = np.full(inside.shape, c0), D / h**2
    end = steady_oxygen(p, q * inside, 1e-4, np.where(inside, 0.0, 1e6 * spread), c0, spread, 1e-7 * c0)
    assert end.converged
    core = (8 * (p < 1e-4).sum() * h**3 * 3 / (4 * math.pi)) ** (1 / 3)
    assert abs(core - 191.6e-6) <= h


def test_a_vessel_in_a_square_cord_agrees_with_krogh_shells():
    """A vessel voxel acts as a cylinder of 0.1985 voxel edges, exp(-Euler's constant) / sqrt(8): the well of a grid."""
    n, h, D, used, K, value = 7, 20.0, 2000.0, 15.0, 2.0, 60.0
    p, exchange = np.full((n, n), value), np.zeros((n, n))
    exchange[3, 3] = 1e9
    assert steady_oxygen(p, used, K, exchange, value, D / h**2, 1e-6, periodic=True).converged
    wall, outer = 0.1985 * h, n * h / math.sqrt(math.pi)
    r, shells = steady_shells(wall, outer, 2000, 2, D, uptake=used, K_half=K, inner_value=value)
    assert p[3, 3] == pytest.approx(value, rel=1e-6)
    assert p.mean() == pytest.approx(np.average(shells, weights=r), rel=0.02)
    for k in (1, 2, 3):
        assert p[3, 3 + k] == pytest.approx(np.interp(k * h, r, shells), abs=1.2)  # a square is no circle


@pytest.mark.parametrize("shape", [(48, 40), (20, 18, 21)])
@pytest.mark.parametrize("K", [0.05, 2.0, 50.0])
def test_any_start_ends_at_the_same_rest(shape, K):
    uptake, exchange, spread = tissue(shape)
    draw = np.random.default_rng(3)
    found = []
    for start in (np.zeros(shape), np.full(shape, 1e5), draw.lognormal(0, 4, shape), np.full(shape, -5.0)):
        end = steady_oxygen(start, uptake, K, exchange, 60.0, spread, 1e-9)
        assert end.converged and end.residual < 1e-8
        assert start.min() >= 0.0 and start.max() <= 60.0 + 1e-9
        found.append(start)
    assert max(np.abs(p - found[0]).max() for p in found) < 1e-7


@pytest.mark.parametrize("tol", [1e-1, 1e-3])
def test_the_error_left_is_below_the_tolerance(tol):
    for seed in range(4):
        uptake, exchange, spread = tissue((40, 40), seed)
        exact = np.full((40, 40), 20.0)
        steady_oxygen(exact, uptake, 2.0, exchange, 60.0, spread, 1e-10)
        p = np.full((40, 40), 20.0)
        steady_oxygen(p, uptake, 2.0, exchange, 60.0, spread, tol)
        assert np.abs(p - exact).max() <= tol


def test_a_warm_start_saves_most_of_the_work():
    shape = (24, 24, 24)
    uptake, exchange, spread = tissue(shape)
    p = np.full(shape, 40.0)
    cold = steady_oxygen(p, uptake, 2.0, exchange, 60.0, spread, 1e-2)
    assert steady_oxygen(p, uptake, 2.0, exchange, 60.0, spread, 1e-2).cycles == 1
    warm = steady_oxygen(p, 1.005 * uptake, 2.0, exchange, 60.0, spread, 1e-2)
    assert warm.cycles <= cold.cycles // 2, (cold, warm)


def test_cycles_do_not_grow_with_the_piece():
    used = []
    for n in (16, 32, 64, 128, 256):
        uptake, exchange, spread = tissue((n, n))
        used.append(steady_oxygen(np.full((n, n), 30.0), uptake, 2.0, exchange, 60.0, spread, 1e-3).cycles)
    assert max(used) <= 12 and max(used) - min(used) <= 3, used


@pytest.mark.parametrize("periodic", [False, True])
def test_what_leaves_the_vessels_is_used(periodic):
    uptake, exchange, spread = tissue((30, 31))
    p = np.full((30, 31), 40.0)
    steady_oxygen(p, uptake, 2.0, exchange, 60.0, spread, 1e-11, periodic=periodic)
    given, used = math.fsum((exchange * (60.0 - p)).ravel()), math.fsum((uptake * p / (p + 2.0)).ravel())
    assert given == pytest.approx(used, rel=1e-10)


def test_a_secreted_field_is_nowhere_negative_however_early_the_end():
    draw = np.random.default_rng(6)

    def some(share, spread):
        return np.where(draw.random((31, 30)) < share, draw.lognormal(1, spread, (31, 30)), 0.0)

    for step in (None, 0.1, 100.0):
        for _ in range(5):
            c = some(0.05, 4)
            steady_field(c, some(0.1, 3), some(0.02, 3), 40.0, 1e-6, step=step, most=1)
            assert c.min() >= 0.0 and c.max() > 0.0


def test_a_piece_without_open_vessels_has_no_oxygen_left():
    p = np.full((20, 20), 40.0)
    assert steady_oxygen(p, 15.0, 2.0, 0.0, 60.0, 5.0, 1e-6).converged
    assert 0.0 <= p.max() < 1e-5
    p = np.full((20, 20), 3.0)  # and one without cells is as its vessels
    assert steady_oxygen(p, 0.0, 2.0, np.eye(20), 60.0, 5.0, 1e-9).converged
    assert np.abs(p - 60.0).max() < 1e-7


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(16, 18), (15, 17), (33, 8), (1, 20), (8, 6, 10), (7, 6, 10), (6, 9, 5), (2, 3, 4)])
def test_bytes_do_not_depend_on_threads_or_on_arrays_used_again(shape, periodic):
    uptake, exchange, spread = tissue(shape)
    grid, seen = Multigrid(shape, spread, periodic=periodic), set()
    shared = Multigrid(shape, spread, periodic=periodic, work=Multigrid(shape, 7.0))
    for threads, again in ((1, None), (2, grid), (3, None), (1, grid), (1, shared)):
        p = np.full(shape, 30.0)
        end = steady_oxygen(p, uptake, 2.0, exchange, 60.0, spread, 1e-6, periodic=periodic, threads=threads, grid=again)
        c = np.zeros(shape)
        steady_field(c, 0.01, exchange, spread, 1e-6, step=30.0, periodic=periodic, threads=threads, grid=again)
        seen.add((p.tobytes(), end, c.tobytes()))
    assert len(seen) == 1


def test_a_piece_may_be_turned_and_mirrored():
    uptake, exchange, spread = tissue((10, 12, 14))
    p, q = np.full((10, 12, 14), 30.0), np.full((14, 10, 12), 30.0)
    steady_oxygen(p, uptake, 2.0, exchange, 60.0, spread, 1e-10)
    turned = [np.ascontiguousarray(np.transpose(x, (2, 0, 1))[::-1]) for x in (uptake, exchange)]
    steady_oxygen(q, turned[0], 2.0, turned[1], 60.0, spread, 1e-10)
    assert np.abs(np.transpose(p, (2, 0, 1))[::-1] - q).max() < 1e-8


def test_too_few_cycles_are_told():
    uptake, exchange, spread = tissue((32, 32))
    end = steady_oxygen(np.zeros((32, 32)), uptake, 2.0, exchange, 60.0, spread, 1e-9, most=2)
    assert end.cycles == 2 and not end.converged and end.change > 1e-9


def test_a_residual_that_is_not_asked_for_is_no_number_and_changes_nothing():
    uptake, exchange, spread = tissue((32, 31))
    ends, fields = [], []
    for asked in (True, False):
        fields.append(np.zeros((32, 31)))
        ends.append(steady_oxygen(fields[-1], uptake, 2.0, exchange, 60.0, spread, 1e-6, residual=asked))
    assert ends[0].residual < 1e-6 and np.isnan(ends[1].residual)
    assert ends[0][:2] == ends[1][:2] and np.array_equal(*fields)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (dict(uptake_max=-1.0), "uptake_max"),
        (dict(K_half=0.0), "K_half"),
        (dict(vessel_exchange=np.full((4, 5), np.nan)), "vessel_exchange"),
        (dict(vessel_po2=np.ones((5, 4))), "vessel_po2"),
        (dict(spread=-1.0), "spread"),
        (dict(tol=0.0), "tol"),
        (dict(uptake_max=0.0, vessel_exchange=0.0), "nothing fixes"),
        (dict(po2=np.zeros((4, 5), np.float32)), "po2"),
        (dict(po2=np.full((4, 5), np.nan)), "start: not finite"),
        (dict(grid=Multigrid((4, 6), 1.0)), "grid"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change, told):
    good = dict(po2=np.zeros((4, 5)), uptake_max=1.0, K_half=1.0, vessel_exchange=1.0, vessel_po2=60.0, spread=1.0)
    steady_oxygen(**good)
    with pytest.raises(ValueError, match=told):
        steady_oxygen(**(good | change))
    with pytest.raises(ValueError, match=r"work: expected working arrays of shape \(1, 4, 5\)"):
        Multigrid((4, 5), 1.0, work=Multigrid((5, 4), 1.0))
    with pytest.raises(ValueError, match="nothing fixes"):
        steady_field(np.zeros((4, 5)), 0.0, 1.0, 1.0, 1e-6)


def test_an_edit_of_any_file_of_the_fields_gives_another_folder_of_compiled_code(tmp_path, monkeypatch):
    copy = tmp_path / "fields"
    shutil.copytree(Path(fields.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = fields.cache_folder()
    monkeypatch.setattr(fields, "__file__", str(copy / "__init__.py"))
    seen, files = {fields.cache_folder()}, sorted(copy.glob("*.py"))
    assert seen == {before}
    for path in files:
        path.write_text(path.read_text() + "\n# edited\n")
        seen.add(fields.cache_folder())
    assert len(seen) == len(files) + 1
