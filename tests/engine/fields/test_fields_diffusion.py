"""Time steps of fields: exact modes, order, conservation, bounds at any step, bytes."""

import math

import numpy as np
import pytest

from tme_sim.engine.fields import Diffusion, diffuse, steady_field

SHAPES = [(12, 17), (9, 8, 10), (5, 7, 6), (1, 6), (3, 2, 1), (33, 40)]


def centres(*shape):
    """Middles of the cells of the unit box, one broadcastable array per axis."""
    return np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij")


def mode(shape, waves, periodic):
    """An eigenvector of the lattice and its eigenvalue (spread 1)."""
    u, value = np.ones(shape), 0.0
    for x, n, k in zip(centres(*shape), shape, waves, strict=True):
        angle = 2 * math.pi * k if periodic else math.pi * k
        u = u * np.cos(angle * x)
        value -= 4.0 * math.sin(angle / (2 * n)) ** 2
    return u, value


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("shape", "waves"), [((1, 32), (0, 3)), ((20, 33), (2, 1)), ((8, 12, 10), (1, 2, 3))])
def test_modes_of_the_lattice_decay_as_their_schemes_say(shape, waves, periodic):
    u0, _ = mode(shape, waves, periodic)
    spread, dt, axes = 3.0, 0.1, []
    for axis in range(len(shape)):
        one = [waves[axis] if k == axis else 0 for k in range(len(shape))]
        axes.append(mode(shape, one, periodic)[1] * spread * dt)
    implicit = math.prod(1 / (1 - v) for v in axes)
    g = 1 - math.sqrt(0.5)
    second = math.prod((1 + (1 - 2 * g) * v) / (1 - g * v) ** 2 for v in axes)
    for order, factor in ((1, implicit), (2, second)):
        u = u0.copy()
        assert diffuse(u, spread, 0.0, 0.0, dt, order=order, periodic=periodic) == 0.0
        assert np.abs(u - factor * u0).max() < 1e-13
    u, steps = u0.copy(), 400
    stepper = Diffusion(shape, spread, 0.2 / steps, order=2, periodic=periodic)
    for _ in range(steps):
        stepper.step(u)
    assert np.abs(u - math.exp(sum(axes) / dt * 0.2) * u0).max() < 2e-6


def manufactured(shape, steps, T=0.5, D=0.05, order=2):
    """RMS error at T of u = 2 + cos(t) cos(pi x) cos(2 pi y)..., with a loss that varies in space and its source."""
    x = centres(*shape)
    waves = (1, 2, 1)[: len(shape)]
    space = math.prod((np.cos(math.pi * k * c) for k, c in zip(waves, x, strict=True)), start=1.0)
    bend = D * math.pi**2 * sum(k * k for k in waves)
    loss = 1.0 + 0.5 * np.cos(math.pi * x[0]) + 0.3 * np.cos(2 * math.pi * x[1])
    u, dt = 2.0 + space, T / steps
    stepper = Diffusion(shape, D * shape[0] ** 2, dt, loss, 0.0, order=order)
    for n in range(steps):
        t = (n + 0.5) * dt
        exact = 2.0 + math.cos(t) * space
        stepper.set_sources(loss, -math.sin(t) * space + bend * math.cos(t) * space + loss * exact)
        stepper.step(u)
    return math.sqrt(np.mean((u - 2.0 - math.cos(T) * space) ** 2))


@pytest.mark.parametrize(("axes", "sizes"), [(2, (8, 16, 32, 64, 128)), (3, (4, 8, 16, 32, 64))])
def test_second_order_in_space_and_time_over_four_refinements(axes, sizes):
    errors = [manufactured((n,) * axes, n) for n in sizes]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(slopes[-3:] - 2.0).max() <= 0.05 and slopes.min() > 1.9, (errors, slopes)


def test_first_order_in_time_where_asked():
    errors = [manufactured((96, 96), steps, order=1) for steps in (16, 32, 64)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(slopes - 1.0).max() <= 0.1, (errors, slopes)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(64, 64), (16, 15, 17)])
def test_nothing_is_made_or_lost_in_a_thousand_steps(shape, periodic, order):
    u = np.random.default_rng(1).lognormal(0.0, 2.0, shape)
    before, stepper = math.fsum(u.ravel()), Diffusion(shape, 0.8, 1.0, order=order, periodic=periodic)
    for _ in range(1000):
        stepper.step(u)
    assert abs(math.fsum(u.ravel()) / before - 1.0) <= 1e-12


@pytest.mark.parametrize("order", [1, 2])
def test_field_plus_what_was_taken_is_what_was_given(order):
    draw = np.random.default_rng(2)
    shape, dt = (14, 15, 13), 30.0
    u = draw.random(shape)
    before = math.fsum(u.ravel())
    stepper = Diffusion(shape, 0.02, dt, draw.random(shape) * 0.01, draw.random(shape) * 0.05, order=order)
    taken = [stepper.step(u) for _ in range(48)]  # a day of half-hours
    given = 48 * stepper.inflow
    assert abs(math.fsum(u.ravel()) + math.fsum(taken) - before - given) <= 1e-11 * given
    assert math.fsum(taken) > 0.1 * given


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", [0.3, 10.0, 1e7])
def test_any_step_stays_within_the_values_there_were(shape, spread, periodic, order):
    draw = np.random.default_rng(3)
    for u in (np.zeros(shape), draw.lognormal(0, 3, shape), np.where(draw.random(shape) < 0.1, 0.0, 1.0)):
        if not u.any():
            u.flat[u.size // 2] = 1.0  # a spike
        low, high, mean = u.min(), u.max(), u.mean()
        stepper = Diffusion(shape, spread, 1.0, order=order, periodic=periodic)
        for _ in range(4):
            stepper.step(u)
            assert u.min() >= low * (1 - 1e-12) and u.max() <= high * (1 + 1e-12)
        assert u.mean() == pytest.approx(mean, rel=1e-11)
        if spread == 1e7:
            assert np.abs(u - mean).max() < 1e-3 * high


@pytest.mark.parametrize("order", [1, 2])
def test_never_negative_with_sources_and_strong_loss(order):
    draw = np.random.default_rng(4)
    shape = (20, 21, 22)
    for _ in range(20):
        u = np.where(draw.random(shape) < 0.005, draw.lognormal(0, 3, shape), 0.0)
        loss = np.where(draw.random(shape) < 0.1, 10.0 ** draw.uniform(-3, 6), 0.0)
        made = np.where(draw.random(shape) < 0.1, draw.random(shape), 0.0)
        stepper = Diffusion(shape, 10.0 ** draw.uniform(0, 2), 1.0, loss, made, order=order)
        for _ in range(5):
            stepper.step(u)
            assert u.min() >= 0.0 and np.isfinite(u).all()


def test_an_even_field_follows_its_loss_and_source_and_rests_where_it_should():
    u = np.full((6, 7), 3.0)
    stepper = Diffusion(u.shape, 5.0, 0.01, 2.0, 4.0, order=2)
    for _ in range(100):
        stepper.step(u)
    assert np.abs(u - (2.0 + math.exp(-2.0))).max() < 1e-5
    stepper = Diffusion(u.shape, 5.0, 50.0, 2.0, 4.0, order=2)
    for _ in range(30):
        stepper.step(u)
    assert np.abs(u - 2.0).max() < 1e-9


def test_a_spike_spreads_as_a_gaussian_with_the_right_variance():
    u, steps, spread = np.zeros((81, 81)), 20, 0.5
    u[40, 40] = 1.0
    stepper = Diffusion(u.shape, spread, 1.0, order=1)
    for _ in range(steps):
        stepper.step(u)
    x = np.arange(81) - 40
    assert (u.sum(0) * x**2).sum() == pytest.approx(2 * spread * steps, rel=1e-6)
    assert np.abs(u - u.T).max() < 1e-16 and np.abs(u - u[::-1, ::-1]).max() < 1e-16


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_do_not_depend_on_threads(shape, periodic, order):
    draw = np.random.default_rng(5)
    start = np.where(draw.random(shape) < 0.03, draw.lognormal(5, 2, shape), 0.0)  # some lines leave their range
    loss, made = draw.random(shape), 0.01 * draw.random(shape)
    seen = set()
    for threads in (1, 2, 3):
        u = start.copy()
        stepper = Diffusion(shape, 10.0, 1.0, loss, made, order=order, periodic=periodic, threads=threads)
        taken = [stepper.step(u) for _ in range(3)]
        seen.add((u.tobytes(), np.array(taken).tobytes()))
    assert len(seen) == 1


def test_long_steps_of_a_settling_field_are_better_without_splitting():
    """The caution in the text of the module, measured: a source that settles within the step."""
    shape, spread, loss, dt = (41, 41), 100.0, 4.0, 10.0
    source = np.zeros(shape)
    source[20, 20] = 1.0
    rest, split, whole = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    steady_field(rest, loss, source, spread, 1e-12)
    for _ in range(5):
        diffuse(split, spread, loss, source, dt)
        steady_field(whole, loss, source, spread, 1e-12, step=dt)
    error = [np.abs(x - rest).max() / rest.max() for x in (split, whole)]
    assert error[1] < 1e-6 and error[0] > 0.05


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (dict(spread=0.0), "spread"),
        (dict(dt=-1.0), "dt"),
        (dict(decay=-0.1), "decay"),
        (dict(source=np.nan), "source"),
        (dict(decay=np.ones((3, 3))), "decay"),
        (dict(order=3), "order"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change, told):
    good = dict(shape=(4, 5), spread=1.0, dt=1.0)
    with pytest.raises(ValueError, match=told):
        Diffusion(**(good | change))
    for wrong in (np.zeros((5, 4)), np.zeros((4, 5), np.float32), np.zeros((5, 4)).T, [[0.0]]):
        with pytest.raises(ValueError, match="field"):
            Diffusion(**good).step(wrong)
