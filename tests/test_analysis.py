"""Flux attribution: contributions add up to what happened, and arrows to what changed against the untreated lesion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from agreement.environments import functions
from agreement.environments import model as compiled_network
from hypothesis import given
from hypothesis import strategies as st

from tme_sim import analysis
from tme_sim.analysis import attribute, attribute_records, divide
from tme_sim.diagnostics import InputError
from tme_sim.engine import queue, run
from tme_sim.therapies.session import Session, lesion_changes

pytestmark = pytest.mark.timeout(900)  # the first test of a fresh machine compiles the network
RTOL = 1e-6


class Recorded:
    """A finished run with its steps, as `simulate.run_plan` gives it."""

    def __init__(self, model, start, days, jumps=(), rtol=RTOL):
        """`jumps` are (day, engine rows)."""
        y, u, self.th = start
        self.model, self.records = model, run.Records()
        table, waiting = run.Jumps(), queue.new_queue(16)
        for day, rows in jumps:
            queue.append(waiting, round(day * 1440), 10, queue.JUMP, table.group(rows))
        state = run.new_state(y, u, waiting)
        options = run.Options(rtol=rtol, atol=model.tolerances(rtol))
        code = run.advance(functions(model), state, self.th, round(days * 1440), options, table, records=self.records)
        assert code == 0, run.message(state, model.state_names)
        self.last = state.y


@pytest.fixture(scope="module")
def model():
    return compiled_network("toy")


def treated(model, **values):
    """Twenty days: an infusion from the start, half of the cells of lesion 1 killed on day 5."""
    par = model.defaults()
    for name, value in values.items():
        par[model.index("parameters", name)] = value
    y, u, th = model.start(par)
    y, u = y * np.exp(np.random.default_rng(3).normal(0.0, 0.3, y.size)), u.copy()
    u[model.index("held", "infusion")] = 0.02
    awake, dead = (model.index("states", name) for name in ("awake", "dead"))
    return Recorded(model, (y, u, th), 20.0, [(5.0, [(awake, awake, -0.5, 0.0), (dead, awake, 0.5, 0.0)])])


@pytest.fixture(scope="module")
def ran(model):
    return treated(model)


@pytest.mark.parametrize(("start", "end"), [(0.0, 20.0), (0.37, 11.11), (5.0, 6.0), (2.0, 2.001)])
def test_contributions_add_up_to_the_change(ran, start, end):
    for state in ran.model.state_names:
        found = attribute(ran, state, start, end)
        made = sum(c.amount for c in found.contributions) + sum(amount for _, amount in found.jumps)
        assert made + found.residual == pytest.approx(found.change, abs=1e-12 * found.gross)
        assert found.residual_share < 1e-6, state
        shares = sum(c.share for c in found.contributions) + sum(abs(a) for _, a in found.jumps) / found.gross
        assert shares == pytest.approx(1.0)


def test_factors_and_drift_add_up_to_the_contributions(ran):
    for state in ran.model.state_names:
        found = attribute(ran, state, 1.0, 17.0)
        made = sum(c.amount for c in found.contributions)
        assert found.drift + sum(f.amount for f in found.factors) == pytest.approx(made, abs=1e-9 * found.gross)
        sizes = [abs(f.amount) for f in found.factors]
        assert sizes == sorted(sizes, reverse=True) and sizes


def test_a_known_flow_is_found(model):
    """Infusion against first-order loss: the loss is what was infused less what is there, in closed form."""
    ran = treated(model, leak_rate=0.0)
    found = attribute(ran, "plasma", 0.0, 10.0)
    by_name = {c.process: c.amount for c in found.contributions}
    first = found.start
    there = 0.02 / 0.5 + (first - 0.02 / 0.5) * math.exp(-0.5 * 10.0)
    assert found.end == pytest.approx(there, rel=1e-5)
    assert by_name["infuse"] == pytest.approx(0.2, rel=1e-12)
    assert by_name["clear"] == pytest.approx(-(0.2 + first - there), rel=1e-5)


def test_a_body_state_lists_the_lesions_that_feed_it(ran):
    found = attribute(ran, "plasma", 0.0, 20.0)
    assert {(c.process, c.lesion) for c in found.contributions} == {
        ("infuse", 0), ("clear", 0), ("leak", 1), ("leak", 2)
    }
    assert found.lesion == 0


def test_sudden_changes_count_on_the_last_day_and_not_on_the_first(ran):
    assert [day for day, _ in attribute(ran, "awake", 4.0, 5.0).jumps] == [5.0]
    assert attribute(ran, "awake", 5.0, 6.0).jumps == ()
    both = attribute(ran, "awake", 4.0, 6.0)
    assert both.jumps[0][1] == pytest.approx(-0.5 * attribute(ran, "awake", 4.0, 4.999999).end, rel=1e-4)
    assert attribute(ran, "awake.2", 4.0, 6.0).jumps == ()
    assert attribute(ran, "dead", 4.0, 6.0).jumps[0][1] == pytest.approx(-both.jumps[0][1])
    assert any(row["process"] == "calendar" for row in both.to_table())


def test_a_cut_arrow_has_no_part(model):
    with_arrow, without = treated(model), treated(model, gain_alarm_on_kill=0.0)
    found = attribute(with_arrow, "awake", 0.0, 20.0).by_arrow()
    assert set(found) == {"alarm_on_kill"} and found["alarm_on_kill"] < 0.0
    assert attribute(without, "awake", 0.0, 20.0).by_arrow() == {}


def test_an_arrow_has_the_part_that_the_logarithmic_mean_gives_it(model):
    """Killing is law * arrow * awake * guards * touch; the law and the reach never change."""
    ran = treated(model)
    y, u, th = model.start(model.defaults())
    out = np.zeros(len(model.node_names))
    place = model.index("nodes", "rate_kill"), model.index("nodes", "alarm")

    def look(y, u):
        model.observe(y, u, th, out)
        return out[place[0]], 1.0 + out[place[1]]

    rate0, arrow0 = look(y, u)
    rec_t, rec_y, rec_u = ran.records.arrays()
    row, short = len(rec_t) // 2, 1e-5
    rate, arrow = look(rec_y[row, 0], rec_u[row])
    begin = rec_t[row, 0] / 1440 + rec_t[row, 1]
    found = attribute(ran, "awake", begin, begin + short)
    assert arrow > 1.001 * arrow0
    part = next(f for f in found.factors if f.kind == "arrow")
    mean = (rate - rate0) / math.log(rate / rate0)
    assert part.amount / short == pytest.approx(-mean * math.log(arrow / arrow0), rel=1e-3)


def test_oxygen_of_the_tissue_is_a_factor_of_its_own(ran):
    kinds = {(f.process, f.kind) for f in attribute(ran, "awake", 0.0, 20.0).factors}
    assert ("growth", "oxygen") in kinds and ("kill", "oxygen") not in kinds


def test_against_another_reference_nothing_moves_at_first(ran):
    rec_t, rec_y, rec_u = ran.records.arrays()
    found = attribute_records(ran.model, ran.th, ran.records, "guard", 0.0, 1e-3, reference=(rec_y[0, 0], rec_u[0]))
    assert sum(abs(f.amount) for f in found.factors) < 1e-3 * found.gross
    assert found.drift == pytest.approx(found.change, rel=1e-2)


def test_tables_are_in_display_units_and_sorted(ran):
    found = attribute(ran, "awake", 0.0, 20.0)
    rows = found.to_table()
    sizes = [abs(r["change"]) for r in rows if r["process"] not in ("calendar", "residual")]
    assert sizes == sorted(sizes, reverse=True)
    assert rows[-1]["process"] == "residual"
    assert found.unit == "cell" and "awake cells" in found.text and "alarm -> killing" in found.text
    assert found.text.splitlines()[1].startswith(f"{found.start:.4g} -> {found.end:.4g} cell")
    assert len(attribute(ran, "awake", 0.0, 20.0, factors=False).factors) == 0


def test_figure_is_written(ran, tmp_path):
    path = attribute(ran, "guard", 0.0, 20.0).draw(tmp_path / "guard.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_dense_output_is_that_of_the_engine(ran):
    steps = analysis._Steps(*ran.records.arrays())
    rec_t, rec_y, _ = ran.records.arrays()
    for row in (0, 3, len(rec_t) - 1):
        for theta in (0.0, 0.3, 1.0):
            np.testing.assert_array_equal(steps.state(row, theta), run.evaluate(rec_t, rec_y, row, theta))


def test_periods_and_names_that_do_not_exist_are_refused(ran):
    with pytest.raises(ValueError, match="day 0 to day 20"):
        attribute(ran, "awake", 3.0, 21.0)
    with pytest.raises(ValueError, match="longer than 0"):
        attribute(ran, "awake", 3.0, 3.0)
    with pytest.raises(InputError, match="awake"):
        attribute(ran, "awke", 3.0, 4.0)
    for name in ("awake.x", "awake.0", "awake."):
        with pytest.raises(InputError, match="no state"):
            attribute(ran, name, 3.0, 4.0)
    derived = next(s.name for s in (*ran.model.network.signals, *ran.model.network.totals))
    with pytest.raises(InputError, match=f'"{derived}" follows from states'):
        attribute(ran, derived, 3.0, 4.0)
    ran_without = type("Outcome", (), {"records": None})()
    with pytest.raises(ValueError, match="record=True"):
        attribute(ran_without, "awake", 3.0, 4.0)


# --- dividing a product ----------------------------------------------------------------------------------------------

SIZES = st.floats(1e-6, 1e6)


@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=6))
def test_parts_of_a_product_add_up_to_its_change(pairs):
    x, x0 = (np.array(v) for v in zip(*pairs, strict=True))
    parts = divide(x, x0)
    scale = max(math.prod(x), math.prod(x0))
    assert parts.sum() == pytest.approx(math.prod(x) - math.prod(x0), abs=1e-12 * scale)
    for part, now, before in zip(parts[1:], x[1:], x0[1:], strict=True):
        assert part * (now - before) >= 0.0  # a factor that rose raised the product


@given(st.tuples(SIZES, SIZES), st.tuples(SIZES, SIZES))
def test_parts_do_not_depend_on_the_direction_or_the_order(a, b):
    x, x0 = np.array([a[0], b[0]]), np.array([a[1], b[1]])
    scale = max(math.prod(x), math.prod(x0))
    np.testing.assert_allclose(divide(x, x0), -divide(x0, x), atol=1e-9 * scale)
    np.testing.assert_allclose(divide(x, x0), divide(x[::-1], x0[::-1])[::-1], atol=1e-9 * scale)


@pytest.mark.parametrize(
    ("x", "x0", "parts"),
    [
        ((4.0, 3.0), (2.0, 3.0), (6.0, 0.0)),  # only one factor changed
        ((math.e, math.e**2), (1.0, 1.0), ((math.e**3 - 1) / 3, 2 * (math.e**3 - 1) / 3)),
        ((5.0, 0.0, 2.0), (5.0, 3.0, 4.0), (0.0, -60.0, 0.0)),  # the limit: what became 0 has it all
        ((5.0, 2.0), (0.0, 0.0), (5.0, 5.0)),
        ((0.0, 2.0), (3.0, 0.0), (0.0, 0.0)),  # nothing before, nothing after
        ((-1.0, 2.0), (3.0, 2.0), (-8.0, 0.0)),  # a flow that turned round is the law's doing
        ((-2.0, 3.0), (-2.0, 1.0), (0.0, -4.0)),
    ],
)
def test_special_products(x, x0, parts):
    np.testing.assert_allclose(divide(np.array(x), np.array(x0)), parts, rtol=1e-12, atol=1e-15)


def test_small_values_approach_the_limit_of_zero():
    tiny = divide(np.array([5.0, 1e-280]), np.array([4.0, 3.0]))
    np.testing.assert_allclose(tiny, divide(np.array([5.0, 0.0]), np.array([4.0, 3.0])), atol=0.01)


# --- the whole network ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embolised():
    """Four weeks after conventional TACE of the first lesion."""
    model = compiled_network("whole")
    y, u, th = model.start(model.defaults())

    def rows(changes):
        n = y.size
        for row in changes:
            own = row.target in model.layout.states["lesion"]
            dest = model.index("states" if own else "held", row.target) + (0 if own else n)
            yield dest, dest if row.source else -1, row.coefficient, row.constant

    jumps = [(delay, list(rows(changes))) for delay, changes in
             lesion_changes(Session(), lambda name: th[model.index("theta", name)])]
    return Recorded(model, (y, u, th), 28.0, jumps)


def test_every_state_of_the_network_is_explained(embolised):
    for state in embolised.model.state_names:
        found = attribute(embolised, state, 0.0, 28.0, factors=False)
        assert found.residual_share < 1e-6, state


def test_arrows_of_the_network_add_up(embolised):
    """MDSC start at rest, so arrows, laws and amounts explain all of their change."""
    found = attribute(embolised, "MDSC", 0.0, 28.0)
    assert abs(found.drift) < 1e-9 * found.gross
    assert sum(f.amount for f in found.factors) == pytest.approx(found.change, abs=1e-6 * found.gross)
    assert {"perfusion_on_myeloid_entry", "amp_on_mdsc_differentiation"} <= set(found.by_arrow())
    other = attribute(embolised, "MDSC.2", 0.0, 28.0)  # the untreated lesion of the same body
    flow = "perfusion_on_myeloid_entry"
    assert abs(other.by_arrow()[flow]) < 0.05 * abs(found.by_arrow()[flow])
