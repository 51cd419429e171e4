"""What dead cells let go, in space: debris lies where they fell, danger signals and antigen drift, and where they are
dendritic cells mature."""

import numpy as np
import pytest
from tissue.test_piece import piece
from tissue.test_tissue_procedures import TEXT

from tme_sim import Scenario, simulate
from tme_sim.quantities import Quantity
from tme_sim.tissue.coupling import Coupling
from tme_sim.tissue.passes import MATURED, rates_of
from tme_sim.tissue.piece import DRIFTING, EDGE, RELEASED, WALKERS, cell_weight, view
from tme_sim.tissue.settings import SECONDS_PER_DAY, VALUE, VOXEL_UM, Tissue
from tme_sim.tissue.step import FIELD_STEPS, breathe, crowds, passes, signal


def quiet(size="0.4 mm", dimension=2):
    """A piece in which nothing has died and nothing is released."""
    one = piece(size, dimension)
    for name in (*RELEASED, "necrosis_flux"):
        one.state.local[name][:] = 0.0
    one.state.cell[:] = 1
    return one


def hours(one, number):
    """What is released after so many hours, no cell moving or dying."""
    frame, state, scalars = one.frame, one.state, one.scalars
    breathe(frame, state, scalars)
    for _ in range(number):
        crowds(frame, state, scalars)
        signal(frame, state, view(frame, state, scalars), scalars)
    return {name: state.local[name].reshape(frame.shape) for name in RELEASED}


@pytest.mark.parametrize("dimension", [2, 3])
def test_debris_stays_where_it_fell_and_what_it_lets_go_drifts_off(dimension):
    one = quiet(dimension=dimension)
    middle = one.frame.voxels // 2 + one.frame.shape[2] // 2
    one.state.local["debris"][middle] = 1e6
    found = hours(one, 12)
    where = np.unravel_index(middle, one.frame.shape)
    assert found["debris"][where] > 1e5 > 1e3 * np.median(found["debris"])
    for name in DRIFTING:
        assert np.unravel_index(found[name].argmax(), one.frame.shape) == where
        assert found[name].min() > 0.3 * found[name].max()  # spread over 1.6 mm and more before it is cleared


def test_drift_moves_nothing_away_and_goes_as_far_as_diffusion_does():
    """A line of debris: the sum over places is that of the equations, the profile that of diffusion and clearance."""
    one = quiet("4 mm")
    scalars, dt = one.scalars, FIELD_STEPS * one.frame.dt
    state, (_, ny, nx) = one.state, one.frame.shape
    line = np.zeros((ny, nx))
    line[:, nx // 2] = 1e6
    state.local["debris"][:] = line.ravel()
    lost, gone = scalars["k_debris"], scalars["k_DAMP"]
    debris, damp = line.mean(), 0.0
    for _ in range(200):
        state.local["debris"][:] = line.ravel()  # a source that never ceases
        made = scalars["damp_per_death"] * lost * debris
        damp = damp * np.exp(-gone * dt) + made / gone * (1.0 - np.exp(-gone * dt))
        signal(one.frame, state, view(one.frame, state, scalars), scalars)
    profile = state.local["DAMP"].reshape(ny, nx)
    assert profile.mean() == pytest.approx(damp, rel=1e-9)
    long = np.sqrt(VALUE["D_protein"] * SECONDS_PER_DAY / gone) / VOXEL_UM  # voxels over which it falls e-fold
    away = np.abs(np.arange(nx) - nx // 2)
    expected = np.cosh((nx / 2 - away) / long)
    assert profile[0] / profile.mean() == pytest.approx(expected / expected.mean(), rel=0.03)


def test_dendritic_cells_mature_where_danger_is():
    one = quiet()
    state, scalars = one.state, one.scalars
    breathe(one.frame, state, scalars)
    crowds(one.frame, state, scalars)
    near, far = 5, one.frame.voxels // 2
    state.local["DAMP"][:] = 0.1
    state.local["DAMP"][near] = 50.0
    (kind, process, _), = passes(one.frame).maturing
    assert (WALKERS[kind], process) == ("DC", "dc_maturing")
    rate = passes(one.frame).matured(view(one.frame, state, scalars), 2, np.array([near, far]))[process]
    assert rate[0] > 20.0 * rate[1]
    state.where, state.kind = np.array([near, far]), np.full(2, kind, dtype=np.int8)
    state.told[MATURED] = 0.0
    days = 1.0 / 24.0
    one.ripen(days)
    lost = scalars["k_DC_migrate"] + scalars["k_mDC_death"]
    made = rate.sum() / (one.frame.voxels * EDGE**3)
    assert state.told[MATURED] == pytest.approx(made / lost * (1.0 - np.exp(-lost * days)), rel=1e-12)


def test_a_death_lets_go_what_the_equations_say_and_what_a_nodule_loses_to_its_liver_is_made_up_for():
    for more in ("", 'mode = "nodule"\n'):
        text = TEXT.format("1 mm", "sbrt", 2).replace('[piece]\nsize = "0.6 mm"', f'[piece]\n{more}size = "1.4 mm"')
        plan, made = _ready_of(text)
        one = Coupling.untreated(made, plan.piece, 1, plan.patient)
        inside, local = ~one.state.liver, one.state.local
        here = view(one.frame, one.state, one.scalars)
        for name, parameter in (("DAMP", "damp_per_death"), ("antigen", "antigen_per_death")):
            place = made.model.index("theta", parameter, 0)
            factor = one.th[place] / made.th[place]
            source, lost = rates_of(here, name)
            kept = local[name][inside].mean() / (source / lost)[inside].mean()
            if not more:
                assert factor == 1.0 and kept == pytest.approx(1.0, abs=0.4), name
            else:
                assert factor > 1.2 and kept * factor == pytest.approx(1.0, abs=0.2), name
        if more:
            assert 0.05 < local["antigen"][~inside].mean() < local["antigen"][inside].mean()


def _ready_of(text):
    from tme_sim import simulation
    from tme_sim.plan import plan_of

    plan = plan_of(Scenario.from_text(text.replace('settle = "0.5 day"', 'settle = "8 day"')))
    return plan, simulation.set_up(plan)


def test_debris_of_a_procedure_is_that_of_the_equations_and_lies_where_cells_were_killed():
    text = TEXT.format("80 mm", 'ablation"\ntechnique = "microwave', 3).replace("[0, 3]", "[2]")
    agents = simulate(Scenario.from_text(text))
    plain = text[: text.index("[piece]")] + text[text.index("[[protocol") :]
    densities = simulate(Scenario.from_text(plain.replace('tissue = "agents"', "")))
    ends = [one["debris.1"][-1] for one in (agents, densities)]
    assert ends[0] == pytest.approx(ends[1], rel=0.1) and ends[0] > 20.0 * densities["debris.1"][0]
    plan, made = _ready_of(text)
    one = Coupling(made.model, made.th, Tissue(size=Quantity(0.6, "mm"), settle=Quantity(0.0, "day")), 1, plan.patient)
    one.begin(made.y0, made.u0)
    place = {name: k for k, name in enumerate(("cycling", "necrotic", "debris"))}
    one.place |= place
    rows = np.array([[0, 0], [1, 0], [2, 0]]), np.array([[-0.5, 0.0], [0.5, 0.0], [1e-9, 0.0]])
    before, cells = one.state.local["debris"].copy(), one.state.cell.copy()
    number = np.count_nonzero(cells == 1)
    one.treat(rows)
    rise, hit = one.state.local["debris"] - before, one.state.cell != cells
    assert np.count_nonzero(hit) == pytest.approx(number / 2, abs=1)
    assert (rise[~hit] == 0.0).all() and (rise[hit] > 0.0).all()
    lesion = one.state.scale * cell_weight(one.scalars) * number
    assert rise.mean() == pytest.approx(1e-9 * lesion, rel=0.01)  # half of an odd number


def test_few_killed_cells_leave_on_average_the_debris_of_the_equations():
    """Chance decides which cells die, so debris follows those that do."""
    one = quiet()
    one.place |= {"cycling": 0, "dying": 1, "debris": 2}
    rows = np.array([[0, 0], [1, 0], [2, 0]]), np.array([[-0.05, 0.0], [0.05, 0.0], [0.05e-9, 0.0]])
    found = []
    for step in range(300):
        one.state.cell[:] = 0
        one.state.cell[:4], one.state.step = 1, step
        one.state.local["debris"][:] = 0.0
        one.treat(rows)
        found.append(one.state.local["debris"].mean())
    expected = 4 * 0.05e-9 * one.state.scale * cell_weight(one.scalars)
    assert np.mean(found) == pytest.approx(expected, rel=0.3)
