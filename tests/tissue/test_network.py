"""A network of vessels conserves blood, follows Poiseuille's law, rests untreated, and starves what loses its artery."""

import numpy as np
import pytest
from tissue.test_checkpoints import stop_at
from tissue.test_piece import TEXT, ready, same

from tme_sim.diagnostics import InputError
from tme_sim.quantities import Quantity
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.tissue import network
from tme_sim.tissue.coupling import Coupling, embolise
from tme_sim.tissue.piece import MATURE, State
from tme_sim.tissue.settings import NETWORK_VALUE, Tissue
from tme_sim.tissue.snapshots import read_snapshot

NETWORK = ['piece.flow="network"']
SHAPE = (1, 40, 40)


def piece(size: float = 1.0, dimension: int = 2, threads: int = 1, settle: float = 0.0, **settings) -> Coupling:
    """An untreated piece with a network, settled for so many days."""
    plan, made = ready()
    table = Tissue(size=Quantity(size, "mm"), settle=Quantity(settle, "day"), dimension=dimension,
                   flow="network", **settings)  # fmt: skip
    return Coupling.untreated(made, table, 1, plan.patient, threads=threads)


def row(columns, y: int = 20) -> np.ndarray:
    """Voxels of one row of the lattice."""
    return y * SHAPE[2] + np.array(columns)


def laid(voxels: np.ndarray, segments: np.ndarray, arteries: np.ndarray, veins: np.ndarray, closed=()):
    """Flow of mature vessels at `voxels`, joined as said, with arteries and veins just where vessels are."""
    vessel, shut = np.zeros(1600, dtype=np.int8), np.zeros(1600, dtype=bool)
    vessel[voxels], shut[list(closed)] = MATURE, True
    ends = tuple(network.coordinates(np.asarray(v), SHAPE) for v in (arteries, veins))
    return network.flow_through(vessel, shut, np.asarray(segments), SHAPE, ends)


@pytest.mark.parametrize("dimension", [2, 3])
def test_what_flows_into_a_vessel_flows_out_of_it(dimension):
    one = piece(0.5 if dimension == 3 else 1.2, dimension)
    one.state.occluded[:: 7] = one.state.vessel[:: 7] > 0
    flow = network.flow_of(one.frame, one.state)
    link = np.searchsorted(flow.at, one.state.segments)
    left = np.zeros(flow.at.size)
    np.add.at(left, link[:, 0], flow.flux)
    np.subtract.at(left, link[:, 1], flow.flux)
    inside = flow.source == 0.0
    most = flow.through.max()
    assert most > 1.0 and np.count_nonzero(inside) > 0.8 * flow.at.size
    assert np.abs(left[inside]).max() < 1e-9 * most
    assert abs(flow.source.sum()) < 1e-9 * most and flow.source.max() > 0.0 > flow.source.min()
    shut = one.state.occluded[one.state.segments].any(axis=1)
    assert shut.any() and not flow.flux[shut].any()


def test_a_chain_carries_what_poiseuille_says():
    at = row([2, 5, 9, 14])
    flow = laid(at, np.stack([at[:-1], at[1:]], axis=1), at[:1], at[-1:])
    length, radius = 12 * 20e-6, NETWORK_VALUE["radius_mature"] * 1e-6  # m
    fall = (NETWORK_VALUE["artery_pressure"] - NETWORK_VALUE["vein_pressure"]) * 133.322387415  # Pa
    expected = np.pi * radius**4 * fall / (8.0 * NETWORK_VALUE["blood_viscosity"] * length)  # m^3/s
    assert flow.flux == pytest.approx(np.full(3, expected * 1e12 * 60.0), rel=1e-9)  # nL/min
    assert flow.through == pytest.approx(np.full(4, flow.flux[0]), rel=1e-9)
    assert flow.pressure[1] == pytest.approx(25.0 - 15.0 * 3 / 12, rel=1e-9)


def test_a_closed_artery_starves_its_tree_and_nothing_else():
    """Two trees of an artery, a fork and two veins each: that of the closed artery holds still, the other does not
    notice."""
    trees = [np.concatenate([row([4, 8], y), row([12], y - 3), row([12], y + 3)]) for y in (10, 30)]
    segments = np.concatenate([np.sort([[t[0], t[1]], [t[1], t[2]], [t[1], t[3]]], axis=1) for t in trees])
    arteries, veins = [t[0] for t in trees], np.concatenate([t[2:] for t in trees])
    whole = laid(np.concatenate(trees), segments, arteries, veins)
    one = laid(np.concatenate(trees), segments, arteries, veins, closed=[arteries[0]])
    assert (whole.through > 1.0).all()
    dead = np.isin(one.at, trees[0])
    assert not one.through[dead].any() and np.array_equal(one.through[~dead], whole.through[~dead])


def test_vessels_are_joined_where_no_third_lies_between_around_the_edges():
    vessel = np.zeros(1600, dtype=np.int8)
    at = row([1, 4, 8, 38])
    vessel[at] = MATURE
    expected = np.sort([[at[0], at[1]], [at[1], at[2]], [at[0], at[3]]], axis=1)
    found = network.joined(vessel, SHAPE)
    assert np.array_equal(found, np.unique(expected, axis=0))  # 8 and 38 are ten voxels apart, with two between
    assert np.array_equal(network.joined(vessel, SHAPE, at[3:]), expected[2:])


def test_untreated_flow_has_the_share_of_the_laws_and_stays_near_it():
    """Settled for two days; within ten more it moves by a tenth, as pieces of this size do."""
    one = piece(1.6, settle=2.0)
    there, share = one.state.vessel > 0, one.scalars["perfused_share"]
    assert one.state.flowing[there].mean() == pytest.approx(share, abs=0.005)
    joins = 2 * len(one.state.segments) / there.sum()
    one.live(10 * 48)
    there = one.state.vessel > 0
    assert one.state.flowing[there].mean() == pytest.approx(share, abs=0.12)
    assert 2 * len(one.state.segments) / there.sum() == pytest.approx(joins, rel=0.25)
    assert there[one.state.segments].all()


def test_holes_that_lost_vessels_leave_are_mended_and_the_least_flow_follows_the_bed():
    one = piece(1.6)
    state, frame, before = one.state, one.frame, one.state.told[network.LEAST]
    state.told[network.REMODELLED], flowing = float(state.step), np.count_nonzero(state.flowing)
    network.remodel(frame, state)  # to know what vessels carry before
    gone = np.flatnonzero(state.vessel)[::4]
    state.vessel[gone] = state.vessel_id[gone] = 0
    network.grow(frame, state, gone, gone[:0], gone[:0])
    network.flood(frame, state)
    assert np.count_nonzero(state.flowing) < 0.6 * flowing  # of 75 % that are left
    off = len(network.joined(state.vessel, frame.shape)) - len(state.segments)
    state.step += round(7.0 / frame.dt)  # the mean time of remodelling
    network.grow(frame, state, gone[:0], gone[:0], gone[:0])
    left = len(network.joined(state.vessel, frame.shape)) - len(state.segments)
    assert left == pytest.approx(np.exp(-1.0) * off, rel=0.25) and off > 100
    state.vessel[state.vessel > 0] = MATURE  # all ripen: wider, and the arteries give way
    state.step += round(20.0 / frame.dt)
    network.grow(frame, state, gone[:0], gone[:0], gone[:0])
    network.flood(frame, state)
    assert state.told[network.LEAST] > 1.1 * before
    assert state.flowing[state.vessel > 0].mean() == pytest.approx(one.scalars["perfused_share"], abs=0.12)


def test_closing_takes_the_blood_of_more_than_it_closes_and_opening_gives_it_back():
    one = piece(1.6)
    state, before = one.state, one.state.flowing.copy()
    none = {"occluded_core": 0.0, "occluded_rim": 0.0}
    after = dict.fromkeys(none, 0.3)
    embolise(one.frame, state, one.scalars, none, after, after | {"depot_slow": 0.0, "depot_fast": 0.0})
    lost = before & ~(state.flowing & ~state.occluded)
    assert lost.sum() > 1.15 * (before & state.occluded).sum()
    state.occluded[:] = False
    network.flood(one.frame, state)
    assert np.array_equal(state.flowing, before)


def test_threads_and_a_stored_state_change_no_bit():
    one, four = (piece(1.4, threads=n) for n in (1, 4))
    for each in (one, four):
        each.state.occluded[:200] = each.state.vessel[:200] > 0
        each.live(6)
    assert same(one.state, four.state) and len(one.state.segments)
    again = piece(1.4)
    again.state = State.of(four.state.arrays())
    for each in (one, again):
        each.live(6)
    assert same(one.state, again.state)


def test_going_on_from_a_checkpoint_gives_the_same_bytes(tmp_path, monkeypatch):
    scenario = Scenario.from_text(TEXT, changes=[*NETWORK, "piece.checkpoint_every=0.5 day"])
    whole = simulate(scenario)._files()
    stop_at(1440, scenario, tmp_path, monkeypatch)
    assert list(tmp_path.iterdir()) and simulate(scenario, checkpoints=tmp_path)._files() == whole
    shot = read_snapshot(whole["snapshots/00_day_0.npz"], "first")
    assert len(shot.segments) == shot.flux.size > 10 and (shot.arrays["vessel"][tuple(shot.segments[:, 0].T)] > 0).all()


def test_numbers_of_the_network_stand_in_the_record_only_where_they_act():
    from tme_sim.plan import plan_of
    from tme_sim.record import manifest_of
    from tme_sim.simulation import run_plan

    named = []
    for changes in ([], NETWORK):
        scenario = Scenario.from_text(TEXT, changes=[*changes, "run.duration=0.25 day"])
        named.append({row["name"] for row in manifest_of(run_plan(plan_of(scenario)), scenario)["sources"]})
    assert named[1] - named[0] == set(NETWORK_VALUE)


def test_vessels_of_a_map_are_joined_too(tmp_path):
    (tmp_path / "v.csv").write_text("x,y,type\n" + "".join(f"{x},{y},vessel\n" for x in range(20, 300, 60)
                                                            for y in range(20, 300, 60)))  # fmt: skip
    one = simulate(Scenario.from_text(TEXT, changes=[*NETWORK, f'piece.vessels="{tmp_path / "v.csv"}"',
                                                     "run.duration=0.25 day"]))  # fmt: skip
    shot = read_snapshot(one.files["snapshots/00_day_0.npz"], "first")
    assert np.count_nonzero(shot.arrays["vessel"]) == 25 and len(shot.segments) >= 24


@pytest.mark.parametrize(("change", "told"), [
    (['piece.flow="graph"'], "network"),
    ([*NETWORK, 'piece.mode="nodule"'], 'write flow = "drawn"'),
    ([*NETWORK, "piece.size=0.8 mm", "piece.dimension=3", "piece.memory=100"], "needs about"),
])  # fmt: skip
def test_what_cannot_be_is_told_with_the_repair(change, told):
    with pytest.raises(InputError, match=told):
        Scenario.from_text(TEXT, changes=change)


def test_the_picture_of_perfusion_draws_segments_that_carry_blood():
    from tme_sim.plots.tissue import snapshot_sheet

    one = piece(0.5)
    shot = read_snapshot(one.snapshot(0.0, "untreated"), "now")
    figure = snapshot_sheet([shot], "", ("perfusion", "oxygen"))
    lines = [c for axes in figure.axes[:1] for c in axes.collections if hasattr(c, "get_segments")]
    assert len(lines) == 1 and 0 < len(lines[0].get_segments()) <= np.count_nonzero(shot.flux)
