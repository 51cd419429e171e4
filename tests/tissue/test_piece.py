"""The agent tissue: its oxygen is that of the closure, its luck its own, its embolisation that of the session."""

import io
from functools import cache

import numpy as np
import pytest

from tme_sim import simulation
from tme_sim.analysis import attribute
from tme_sim.diagnostics import InputError
from tme_sim.plan import plan_of
from tme_sim.quantities import Quantity
from tme_sim.scenario import Scenario
from tme_sim.tissue import kernels
from tme_sim.tissue.coupling import HELD, Coupling, embolise
from tme_sim.tissue.laws import Here, Laws, Scalars, exp
from tme_sim.tissue.passes import rates_of
from tme_sim.tissue.piece import CELLS, FIELDS, LOCAL, NECROTIC, TRAITS, WALKERS, carries_blood, is_viable, view
from tme_sim.tissue.settings import Tissue
from tme_sim.tissue.step import passes, smear, step

TEXT = """
schema = 1
name = "small"
tissue = "agents"
[[patient.lesion]]
name = "main"
diameter = "50 mm"
doubling_time = "160 day"
[piece]
size = "0.3 mm"
settle = "0 day"
snapshots = [-1, 1]
[[protocol.treatment]]
kind = "tace"
start = "day 0.5"
technique = "conventional"
[run]
duration = "2 day"
"""


@cache
def ready():
    """The plan made ready, and what is read of the untreated body."""
    plan = plan_of(Scenario.from_text(TEXT))
    return plan, simulation.set_up(plan)


def piece(size: str = "0.4 mm", dimension: int = 2, seed: int = 1, threads: int = 1) -> Coupling:
    """An untreated piece before its first step."""
    from tme_sim.quantities import Quantity

    plan, made = ready()
    settings = Tissue(size=Quantity(float(size.split()[0]), "mm"), settle=Quantity(0.0, "day"), dimension=dimension)
    return Coupling.untreated(made, settings, seed, plan.patient, threads=threads)


def same(a, b) -> bool:
    """Whether two states are the same to the bit."""
    first, second = a.arrays(), b.arrays()
    return set(first) == set(second) and all(first[n].tobytes() == second[n].tobytes() for n in first)


def test_oxygen_of_the_untreated_piece_is_that_of_the_closure():
    """Same vessels, same classes of oxygen; the gap is the spread between placements of vessels."""
    one, expected = piece("1.6 mm"), ready()[1]
    scalars = one.read(expected.y0, expected.u0)
    hypoxic = (one.state.local["oxygen"][is_viable(one.state)] < 12.0).mean()
    assert hypoxic == pytest.approx(scalars["hypoxic_share"], abs=0.08)
    assert (one.state.local["oxygen"] < 2.5).mean() == pytest.approx(scalars["anoxic_share"], abs=0.04)


def test_untreated_piece_holds_the_cells_of_the_lesion():
    one, made = piece(), ready()[1]
    told = one.told(one.scalars)
    whole = sum(told[n] for n in CELLS[1:])
    assert whole == pytest.approx(sum(made.y0[one.place[n]] for n in CELLS[1:]), rel=1e-12)
    for name in ("necrotic", "CD8", "immature_vessels"):
        assert told[name] == pytest.approx(made.y0[one.place[name]], rel=0.12)


def test_laws_on_arrays_are_those_of_one_individual():
    """Every process of the lesion, at random places: the array form gives what the compiled per-actor function gives."""
    from tme_sim.compiler.model import actors

    _, made = ready()
    laws, scalars = Laws(made.model, LOCAL), Scalars(made.model)
    nodes = np.zeros(len(made.model.node_names))
    made.model.observe(made.y0, made.u0, made.th, nodes)
    scalars.set(made.th, nodes, made.u0, made.y0)
    rng = np.random.default_rng(1)
    local = {n: rng.uniform(0.05, 3.0, 5) for n in LOCAL} | {"oxygen": rng.uniform(0.0, 40.0, 5)}
    here, module = Here(laws, scalars, local), actors(made.model)
    for name in laws.processes:
        got = np.broadcast_to(here.rate(name), 5)
        for i in range(5):
            values = [np.broadcast_to(here.value(n), 5)[i] for n in laws.reads[name]]
            assert got[i] == pytest.approx(getattr(module, f"actor_{name}")(*values), rel=1e-13, abs=1e-300), name


def test_lucks_of_walkers_are_the_numbers_of_the_generator():
    """Found in blocks of four, the draws of an individual are those that it would get one by one."""
    ids = np.array([3, 2**40, 17], dtype=np.uint64)
    found = np.empty((20, ids.size))
    kernels.lucks(np.uint64(5), np.uint64(2), ids, np.uint64(9), np.uint64(22), found)
    for draw in range(20):
        assert np.array_equal(found[draw], kernels.draws(np.uint64(5), np.uint64(2), ids, np.uint64(9), np.uint64(22),
                                                         np.uint64(draw)))  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 3, 4), (2, 3, 5)])
def test_neighbours_lie_beside_around_the_edges(shape):
    number = np.arange(np.prod(shape)).reshape(shape)
    for side in range(6 if shape[0] > 1 else 4):
        expected = np.roll(number, 1 if side % 2 == 0 else -1, axis=2 - side // 2).ravel()
        assert [kernels.neighbour(v, side, *shape) for v in range(number.size)] == expected.tolist()


@pytest.mark.parametrize("mixed", [False, True])
def test_passes_give_the_bits_of_laws_asked_one_by_one(mixed):
    """Everywhere and at some places: fates, arrivals and what becomes of traits and fields in one compiled pass each."""
    plan, made = ready()
    settings = Tissue(size=Quantity(0.5, "mm"), settle=Quantity(0.0, "day"))
    one = Coupling.untreated(made, settings, patient=plan.patient, mixed=mixed)
    one.live(3)
    frame, here = one.frame, view(one.frame, one.state, one.scalars)
    rng, n, all_ = np.random.default_rng(1), frame.voxels, passes(frame)
    places = rng.integers(0, n, 70)
    for fates in (all_.cells, all_.walkers, all_.vessels):
        for part in filter(None, (fates.rates, fates.touching)):
            found, some = part(here, n), part(here, places.size, places)
            assert found.row or mixed
            for name in (*part.local, *part.plain):
                expected = sum((here.rate(one) for one in name.split(" + ") if one), 0.0)
                assert np.array_equal(found[name], expected), name
                assert np.array_equal(some[name], expected[places] if name in part.local else expected), name
    alive, dt = is_viable(one.state).astype(float), 0.04
    arrays = one.state.local | {"alive": alive, "taken": alive, "blood": np.ones(n)}
    found = all_.signal(here, n, arrays=arrays, more={"dt": dt})
    for name in (*TRAITS, *FIELDS):
        was, (made_, lost) = one.state.local[name], rates_of(here, name)
        if name in found.row:
            kept = exp(-lost * dt)
            assert np.array_equal(found[name], was * kept + made_ / lost * (1.0 - kept)), name
        else:
            assert np.array_equal(found[f"made {name}"], made_ * alive), name
            assert np.array_equal(found[f"lost {name}"], lost * alive), name
    found = all_.arrivals(here, n, arrays=arrays, more={"untreated": 0.5, "amount": 2.0, "sites": 7.0})
    share = here.value("vessel_quality") / 0.5
    by_flow = here.at(np.arange(n), {} if mixed else {"perfusion": share})
    for _, name in all_.arriving:
        mean = by_flow.rate(name) * 2.0
        mean = mean if "perfusion" in frame.laws.reads[name] and not mixed else mean / 7.0
        assert np.array_equal(found[name], np.maximum(mean, 0.0)), name


def test_steps_are_the_same_twice_and_differ_with_the_seed():
    one, two, other = piece(), piece(), piece(seed=2)
    assert same(one.state, two.state)
    for _ in range(8):
        for each in (one, two, other):
            step(each.frame, each.state, each.scalars)
    assert same(one.state, two.state)
    assert not np.array_equal(one.state.vessel, other.state.vessel)


@pytest.mark.parametrize(("size", "dimension"), [("1.4 mm", 2), ("0.7 mm", 3)])
def test_threads_change_no_bit(monkeypatch, size, dimension):
    """Fields side by side, and the work within one shared out: four threads give the bytes of one."""
    monkeypatch.setattr("tme_sim.tissue.piece.LARGE", 8000)  # both ways to share are taken by one of the two pieces
    one, four = (piece(size, dimension, threads=n) for n in (1, 4))
    assert four.frame.within == (4 if dimension == 3 else 1) and four.frame.voxels > 4000
    for each in (one, four):
        each.state.occluded[:200] = each.state.vessel[:200] > 0
        for _ in range(5):
            step(each.frame, each.state, each.scalars)
    assert one.state.told.get("division_all", 0.0) > 0
    assert same(one.state, four.state)


def test_daughters_of_a_full_piece_make_the_lesion_larger_by_one_cell_each():
    from tme_sim.tissue.step import divide

    one = piece()
    one.state.cell[:] = 1
    before = one.state.scale * one.state.cell.size
    divide(one.frame, one.state, np.arange(0, 100))
    assert one.state.scale * one.state.cell.size == pytest.approx(before * (1 + 100 / 400), rel=1e-12)


def test_embolisation_closes_the_share_of_each_class_and_stops_flow():
    one = piece("1 mm")
    share = {"occluded_core": 0.7, "occluded_rim": 0.25}
    nothing = dict.fromkeys((*share, "depot_slow", "depot_fast"), 0.0)
    open_ = carries_blood(one.state).sum()
    embolise(one.frame, one.state, one.scalars, nothing, share, {**share, "depot_slow": 2.0, "depot_fast": 0.0})
    told = one.told(one.scalars)
    assert told["occluded_core"] == pytest.approx(0.7, abs=0.02)
    assert told["occluded_rim"] == pytest.approx(0.25, abs=0.02)
    assert carries_blood(one.state).sum() < 0.6 * open_
    drug = one.state.local["doxorubicin"]
    assert drug.max() == pytest.approx(2.0, rel=0.4) and np.median(drug) < 0.5  # near depots only


def test_a_session_that_finds_all_vessels_closed_still_leaves_its_drug():
    one = piece("1 mm")
    y, u = ready()[1].y0.copy(), ready()[1].u0
    for name in ("occluded_core", "occluded_rim"):
        y[one.place[name]] = 1.0
    one.exchange(y, u)
    assert one.state.occluded[one.state.vessel > 0].all() and not one.state.local["doxorubicin"].any()
    y[one.place["depot_slow"]] += 2.0
    one.exchange(y, u)
    assert one.state.local["doxorubicin"].max() == pytest.approx(2.0, rel=0.4)


def test_embolised_core_dies_and_its_cells_count_as_necrotic():
    one = piece("0.6 mm")
    one.state.occluded[:] = one.state.vessel > 0
    before = np.count_nonzero(one.state.cell == NECROTIC)
    for _ in range(24):
        step(one.frame, one.state, one.scalars)
    assert np.count_nonzero(one.state.cell == NECROTIC) > before + 0.6 * one.state.cell.size


def test_a_smeared_density_keeps_its_sum():
    one = piece()
    fields = np.zeros((3, one.frame.voxels))
    fields[:, 17] = 3.0, 1.0, 0.0
    alone = fields[:1].copy()
    smear(one.frame, fields, 100.0)
    smear(one.frame, alone, 100.0)
    assert fields[0].sum() == pytest.approx(3.0, rel=1e-12) and fields.max() < 0.1 and fields.min() >= 0.0
    assert fields[1].sum() == pytest.approx(1.0, rel=1e-12) and not fields[2].any()
    assert np.array_equal(fields[:1], alone)


def test_immune_cells_arrive_as_many_as_the_law_says():
    """With the untreated body, arrivals balance losses: expected numbers over many steps, within four standard errors."""
    from tme_sim.tissue.step import arrivals

    one = piece("1 mm")
    here, got = view(one.frame, one.state, one.scalars), 0
    for one.state.step in range(400):
        kinds, _ = arrivals(one.frame, one.state, here, one.scalars)
        got += np.count_nonzero(kinds == WALKERS.index("Treg"))
    model, made = ready()[1].model, ready()[1]
    nodes = np.zeros(len(model.node_names))
    model.observe(made.y0, made.u0, made.th, nodes)
    rate = nodes[model.node_names.index("rate_treg_entering.1")]
    expected = rate * one.frame.volume * 400 * one.frame.dt
    assert got == pytest.approx(expected, abs=4 * expected**0.5 + 0.12 * expected)  # open vessels of one placement


def test_a_cube_lives_too():
    one = piece("0.3 mm", dimension=3)
    assert one.frame.shape == (15, 15, 15)
    for _ in range(4):
        step(one.frame, one.state, one.scalars)
    assert np.isfinite(one.state.local["oxygen"]).all() and is_viable(one.state).any()


def test_a_run_gives_snapshots_and_the_same_bytes_twice():
    first, second = (simulation.simulate(Scenario.from_text(TEXT)) for _ in range(2))
    assert first._files() == second._files()
    assert set(first.files) == {"snapshots/00_day_0.npz", "snapshots/01_day_1.5.npz", "snapshots/film.npz"}
    assert first["occluded_core"][-1] > 0.3 and first["necrotic"][-1] > 2 * first["necrotic"][0]


def test_what_is_shown_just_after_a_session_has_the_oxygen_that_it_left():
    from tme_sim.tissue.snapshots import read_snapshot

    change = ["piece.snapshots=[-1, 0]", "piece.film_every=0.5 day", "run.output_every=0.5 day", "run.duration=1 day"]
    run = simulation.simulate(Scenario.from_text(TEXT, changes=[*change, "piece.checkpoint_every=0.5 day"]))
    before, after = (read_snapshot(run.files[n], n).arrays["oxygen"].mean() for n in sorted(run.files)[-3:-1])
    film = np.load(io.BytesIO(run.files["snapshots/film.npz"]))["oxygen"].mean(axis=(1, 2)) / 2.0
    assert after < 0.5 * before
    assert film[1] == pytest.approx(after, abs=0.3) and film[0] > 2 * film[1]
    just_after = int(np.flatnonzero(run.time == 0.5)[-1])
    assert run["oxygen_mean.1"][just_after] < 0.5 * run["oxygen_mean.1"][0]
    plain = simulation.simulate(Scenario.from_text(TEXT, changes=["run.output_every=0.5 day", "run.duration=1 day"]))
    assert plain["CD8.1"].tolist() == run["CD8.1"].tolist()  # nothing else is moved by it


def test_a_snapshot_is_called_by_the_day_it_shows():
    """Not by one that was asked for and lies after the end; and no two are called alike."""
    change = ["piece.snapshots=[-0.4, -0.2, 1, 90, 200]"]
    scenario = Scenario.from_text(TEXT, changes=change)
    assert any("piece.snapshots: 90, 200 after the end of the run" in w for w in scenario.warnings)
    shots = simulation.simulate(scenario).summary["tissue"]
    assert {label: one["day"] for label, one in shots.items()} == pytest.approx(
        {"0.4 days before TACE": 0.1, "before TACE": 0.3, "day 1 after TACE": 1.5, "day 1.5 after TACE": 2.0}, abs=0.05)
    assert not any("snapshots" in w for w in Scenario.from_text(TEXT).warnings)


def test_a_batch_runs_a_piece_alone():
    from tme_sim.ensemble import run_rows

    plan = ready()[0]
    (row,) = run_rows([plan])
    assert row.status == "ok", row.message
    assert repr(row.summary) == repr(simulation.run_plan(plan).endpoints)


@pytest.mark.parametrize(("change", "told"), [
    ("piece.size=40 mm", "needs about .* piece.memory allows .* make piece.size smaller"),
    ("piece.dimension=4", "2"),
    ("piece.colour=1", "colour"),
    ("piece.step=25 min", "multiple of 5 min that divides a day"),
    ('biology.off=["killing"]', "is part of the agent tissue"),
])  # fmt: skip
def test_bad_input_is_told_with_its_key(change, told):
    with pytest.raises(InputError, match=told):
        Scenario.from_text(TEXT, changes=[change])


def test_one_line_switches_and_a_piece_without_it_is_told():
    assert Scenario.from_text(TEXT, changes=["tissue=density"]).piece is None
    assert Scenario.from_text(TEXT.replace('"agents"', '"density"')).tissue == "density"
    with pytest.raises(InputError, match='piece: describes agent tissue; write tissue = "agents"'):
        Scenario.from_text(TEXT.replace('tissue = "agents"', ""))
    with pytest.raises(InputError, match="piece.colour"):
        Scenario.from_text(TEXT, changes=["tissue=density", "piece.colour=1"])


@pytest.mark.parametrize("head", ["sead=1", 'tissue="agent"'])
def test_mistakes_of_a_piece_are_told_beside_those_of_the_head(head):
    with pytest.raises(InputError, match=r"piece\.colour") as told:
        Scenario.from_text(TEXT, changes=[head, "piece.colour=1", "piece.dimension=4"])
    assert {p.key for p in told.value.problems} == {head.partition("=")[0], "piece.colour", "piece.dimension"}


def test_a_piece_too_large_for_the_machine_is_refused_before_anything_is_allocated():
    """Whatever piece.memory allows: a cube of 17 mm has 6e8 voxels."""
    huge = ["piece.memory=1000000", "piece.size=17 mm", "piece.dimension=3"]
    with pytest.raises(InputError, match="needs about .* MiB, and this machine has .* MiB; make piece.size smaller"):
        simulation.simulate(Scenario.from_text(TEXT, changes=huge))


def test_two_protocols_share_their_luck_until_they_differ():
    short = ["run.duration=0.75 day", "run.output_every=0.25 day", "piece.film_every=0 day"]
    early, late = (
        simulation.simulate(Scenario.from_text(TEXT.replace("day 0.5", start), changes=short))
        for start in ("day 0.5", "day 0.6")
    )
    before, after = early.time < 0.5, early.time >= 0.5
    assert before.sum() >= 2
    for name in ("cycling.1", "CD8.1", "immature_vessels.1", "HIF1.1", "MDSC_blood"):
        assert np.array_equal(early[name][before], late[name][before]), name
    assert not np.array_equal(early["occluded_core"][after], late["occluded_core"][after])


def test_states_of_the_body_are_explained_beside_agent_tissue_and_those_of_its_cells_are_refused():
    scenario = Scenario.from_text(TEXT)
    found = attribute(scenario, "MDSC_blood", 0.0, 2.0)
    assert found.change != 0.0 and found.residual_share < 1e-3
    assert {c.process for c in found.contributions} == {"mdsc_released", "mdsc_leaving_blood"}
    with pytest.raises(InputError, match="tissue=density"):
        attribute(scenario, "MDSC", 0.0, 2.0)


def test_what_the_piece_holds_is_what_it_tells():
    one = piece()
    assert set(one.told(one.scalars)) == set(HELD)


def test_a_run_out_of_steps_names_the_fastest_process_as_every_run_does():
    with pytest.raises(simulation.SimulationError, match=r"step budget used up at day .*; the fastest process there is .+\)"):
        simulation.simulate(Scenario.from_text(TEXT, changes=["run.max_steps=10", "run.rtol=1e-11"]))


def test_what_is_never_lost_by_a_hypothesis_adds_up_in_a_piece():
    """`normalisation.window` = `fixed`: adaptation to a block of VEGF goes one way, as in the equations."""
    text = TEXT.replace('kind = "tace"\nstart = "day 0.5"\ntechnique = "conventional"',
                        'kind = "drug"\ndrug = "bevacizumab"\ndose = "15 mg/kg"\nstart = "day 0"')
    changes = ["biology.hypotheses.normalisation.window=fixed"]
    piece_, plain = (simulation.simulate(Scenario.from_text(text, changes=[*changes, *more]))
                     for more in ((), ("tissue=density",)))
    assert np.isfinite(piece_["adaptation.1"]).all() and piece_["adaptation.1"][-1] > 0.05
    assert piece_["adaptation.1"][-1] == pytest.approx(plain["adaptation.1"][-1], rel=0.2)  # an hour late
