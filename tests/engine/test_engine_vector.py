"""exp, log and power on lanes: every number as the scalar function gives it, bit for bit."""

import numpy as np
import pytest
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from tme_sim.engine import elementary
from tme_sim.engine.lane_arrays import LANES
from tme_sim.engine.vector_elementary import vector_function
from tme_sim.engine.vector_kernels import sizes

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e-310, 2.2250738585072014e-308, 1e308, 709.8,
           710.9, -745.2, -747.0, 2.0, 0.5, 3.0, -2.5, 1e16, -3.0, 9007199254740993.0]


def on_lanes(name, arguments):
    """A compiled loop that puts `name` of elementary, on lanes, of x (and y) into out."""

    @intrinsic
    def eight(typing_context, x, y, out):
        def emit(context, builder, signature, values):
            kind = ir.VectorType(ir.DoubleType(), LANES).as_pointer()
            data = [context.make_array(t)(context, builder, v).data
                    for t, v in zip(signature.args, values, strict=True)]
            places = [builder.bitcast(d, kind) for d in data]
            read = []
            for place in places[:arguments]:
                read.append(builder.load(place))
                read[-1].align = 8
            made = builder.call(vector_function(builder.module, name, arguments), read)
            builder.store(made, places[2]).align = 8
            return context.get_dummy_value()

        return types.void(x, y, out), emit

    @njit(types.void(*[types.float64[::1]] * 3))
    def loop(x, y, out):
        for i in range(0, x.size, LANES):
            eight(x[i : i + LANES], y[i : i + LANES], out[i : i + LANES])

    return loop


def numbers(seed, count=LANES * 4000):
    """Ordinary numbers, any bit patterns and special values; some stretches are 0 in all lanes."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(count) < 0.5, rng.normal(size=count) * 10.0 ** rng.uniform(-5, 3, count),
                 rng.integers(0, 2**64, count, dtype=np.uint64).view(np.float64))
    x = np.where(rng.random(count) < 0.2, rng.choice(SPECIAL, count), x)
    x[: LANES * 50] = 0.0
    return x


@pytest.mark.parametrize(("name", "arguments"), [("exp", 1), ("log", 1), ("power", 2)])
def test_lanes_have_the_bits_of_the_scalar_function(name, arguments):
    x, y = numbers(1), numbers(2)[::-1].copy()
    out = np.empty_like(x)
    on_lanes(name, arguments)(x, y, out)
    scalar = getattr(elementary, name)
    one_by_one = np.array([scalar(a) if arguments == 1 else scalar(a, b) for a, b in zip(x, y, strict=True)])
    same = (out.view(np.int64) == one_by_one.view(np.int64)) | (np.isnan(out) & np.isnan(one_by_one))
    assert same.all(), list(zip(x[~same][:3], y[~same][:3], out[~same][:3], one_by_one[~same][:3], strict=True))


def test_sizes_name_the_worst_state_of_each_lane_and_call_nan_infinite():
    rng = np.random.default_rng(3)
    error, y, new, atol = (rng.random((5, LANES)) + 0.1 for _ in range(4))
    error[2, 1] = np.nan
    floor, upper = np.full((5, LANES), 0.0), np.full((5, LANES), 10.0)
    new[1, 2], new[4, 3] = -1.0, 11.0
    out = np.empty(3 * LANES)
    sizes(*(a.ravel() for a in (error, y, new, atol, floor, upper)), 1e-3, out)
    scaled = error / (atol + 1e-3 * np.maximum(abs(y), abs(new)))
    np.testing.assert_array_equal(out[:LANES], np.where(np.arange(LANES) == 1, np.inf, scaled.max(axis=0)))
    np.testing.assert_array_equal(out[LANES : 2 * LANES], np.arange(LANES) == 2)
    np.testing.assert_array_equal(out[2 * LANES :], np.arange(LANES) == 3)
