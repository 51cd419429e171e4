"""Going on from a checkpoint gives the same bytes; a damaged one is named and the one before it used."""

import numpy as np
import pytest
from tissue.test_piece import TEXT

from tme_sim.outcome import SimulationError
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate

CHANGES = ["piece.checkpoint_every=0.5 day", "piece.film_every=0.5 day"]


def stop_at(minute, scenario, folder, monkeypatch):
    """Kill a run once it has left its checkpoint of a minute, or the next one, in a folder."""
    from tme_sim.tissue.course import Course

    plain = Course.checkpoint

    def until(self, tick, folder):
        plain(self, tick, folder)
        if tick >= minute:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Course, "checkpoint", until)
        with pytest.raises(KeyboardInterrupt):
            simulate(scenario, checkpoints=folder)


@pytest.fixture(scope="module")
def whole():
    """Files of the run that was never stopped."""
    return simulate(Scenario.from_text(TEXT, changes=CHANGES))._files()


@pytest.fixture()
def stopped(tmp_path, monkeypatch):
    """A folder with the checkpoints of a run that was killed at day 1.5, and the scenario."""
    scenario = Scenario.from_text(TEXT, changes=CHANGES)
    stop_at(2160, scenario, tmp_path, monkeypatch)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["day_00001.00.npz", "day_00001.50.npz"]
    return scenario, tmp_path


def test_going_on_gives_the_same_bytes(whole, stopped):
    scenario, folder = stopped
    told = []
    assert simulate(scenario, checkpoints=folder, announce=told.append)._files() == whole
    assert any("going on from day 1.5" in line for line in told)


def test_damaged_checkpoint_is_named_and_the_one_before_is_used(whole, stopped):
    scenario, folder = stopped
    path = folder / "day_00001.50.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    told = []
    assert simulate(scenario, checkpoints=folder, announce=told.append)._files()["summary.json"] == whole["summary.json"]
    assert any("day_00001.50.npz" in line and "the one before" in line.replace("checkpoint", "one") for line in told)
    assert any("going on from day 1 " in line for line in told)


def test_checkpoint_without_one_of_its_fields_is_refused(stopped):
    """Of a version that did not know the field, say."""
    from tme_sim.tissue.piece import State

    with np.load(stopped[1] / "day_00001.50.npz") as held:
        arrays = {n[6:]: held[n] for n in held.files if n.startswith("piece_")}
    assert State.of(arrays).step == 72
    for name in ("local_chemokine", "local_kills", "local_VEGF"):
        with pytest.raises(ValueError, match="fields do not fit"):
            State.of({n: a for n, a in arrays.items() if n != name})


def test_checkpoints_of_another_seed_are_not_used(stopped):
    scenario, folder = stopped
    told = []
    with pytest.raises(SimulationError):  # it would begin anew, which the time budget forbids
        simulate(scenario.changed(["seed=2", "run.wall_limit=1e-3 s"]), checkpoints=folder, announce=told.append)
    assert any("another run" in line for line in told)


def test_checkpoints_of_another_run_never_displace_those_of_this_one(whole, stopped, tmp_path, monkeypatch):
    """The folder of a run that was given another seed still holds later days of the first."""
    scenario, folder = stopped
    for name in ("day_00009.00.npz", "day_00008.50.npz"):
        (folder / name).write_bytes((folder / "day_00001.50.npz").read_bytes())
    other = scenario.changed(["seed=2"])
    stop_at(2160, other, folder, monkeypatch)
    assert len(list(folder.iterdir())) == 4  # two of each
    told = []
    again = simulate(other, checkpoints=folder, announce=told.append)
    assert any("going on from day 1.5" in line for line in told)
    kept = sorted(name for name in again._files() if name.startswith("checkpoints/"))
    assert kept == sorted(name for name in whole if name.startswith("checkpoints/"))
    assert again._files() == simulate(other)._files()


def test_an_odd_number_of_steps_to_settle_is_rounded_up_to_whole_ones_of_the_fields():
    """Else what the fields were found for would be missing at each checkpoint."""
    from tme_sim.quantities import Quantity
    from tme_sim.tissue.settings import Tissue

    assert [Tissue(settle=Quantity(float(m), "min")).settle_steps for m in (0, 30, 60, 90)] == [0, 2, 2, 4]
