"""Ablation and radiation in agent tissue: the shares of the equations, and which cells they are."""

import numpy as np
import pytest
from tissue.test_checkpoints import stop_at

from tme_sim import Scenario, simulate
from tme_sim.engine import queue as q
from tme_sim.therapies.procedures import ablated_share
from tme_sim.tissue.measures import VIABLE, distances
from tme_sim.tissue.procedures import done, jumps_done
from tme_sim.tissue.snapshots import read_snapshot

TEXT = """
tissue = "agents"
[[patient.lesion]]
name = "main"
diameter = "{}"
doubling_time = "160 day"
[piece]
size = "0.6 mm"
snapshots = [0, 3]
settle = "0.5 day"
film_every = "0 day"
checkpoint_every = "1 day"
[[protocol.treatment]]
kind = "{}"
start = "day 2"
[run]
duration = "{} day"
output_every = "1 day"
"""


def run(kind, days, diameter="30 mm", **more):
    return simulate(Scenario.from_text(TEXT.format(diameter, kind, days)), **more)


def viable(one):
    """Viable cells of the first lesion by day, those of the start as 1."""
    cells = sum(one[f"{name}.1"] for name in VIABLE)
    return dict(zip(one.time.tolist(), cells / cells[0], strict=True))


def test_heat_kills_its_share_and_spares_what_blood_cools():
    share = ablated_share("microwave", 80.0, 5.0)
    assert 0.3 < share < 0.5  # of a lesion larger than the zone
    one = run("ablation\"\ntechnique = \"microwave", 3, "80 mm")
    before, after = viable(one)[2.0], viable(one)[3.0]
    assert after / before == pytest.approx(1.0 - share, abs=0.05)
    last = read_snapshot(one.files["snapshots/01_day_3.npz"], "it")
    blood = np.argwhere((last.arrays["vessel"] > 0) & (last.arrays["flowing"] > 0) & (last.arrays["occluded"] == 0))
    near, far = (np.median(distances(np.argwhere(last.is_kind(*kinds)), blood, last.shape, last.edge))
                 for kinds in (VIABLE, ("necrotic",)))  # fmt: skip
    assert near < 0.7 * far


@pytest.mark.parametrize("kind", ["sbrt", "radioembolisation"])
def test_radiation_acts_as_in_the_equations(kind):
    agents = run(kind, 24)
    text = TEXT.format("30 mm", kind, 24).replace('tissue = "agents"', "")
    plain = text[: text.index("[piece]")] + text[text.index("[[protocol") :]
    densities = viable(simulate(Scenario.from_text(plain)))
    for day in (10, 24):
        assert viable(agents)[day] == pytest.approx(densities[day], abs=0.04)
    assert densities[24] < 0.5


def test_going_on_after_a_procedure_gives_the_same_bytes(tmp_path, monkeypatch):
    scenario = Scenario.from_text(TEXT.format("30 mm", "sbrt", 8))
    stop_at(5 * 1440, scenario, tmp_path, monkeypatch)
    assert simulate(scenario, checkpoints=tmp_path)._files() == simulate(scenario)._files()


def test_each_jump_is_done_once_and_in_its_order():
    queue = q.new_queue(4)
    for tick, order, ref in ((5, 1, 1), (5, 0, 0), (9, 0, 1)):
        q.append(queue, tick, order, q.JUMP, ref)
    q.append(queue, 5, 2, q.STOP, 0)
    ends, places, values = np.array([1, 3]), np.arange(6).reshape(3, 2), np.zeros((3, 2))
    before = done(queue)
    for _ in range(3):
        queue[0, q.H_NOW] = 5
        q.pop(queue)
    found = [p.tolist() for p, _ in jumps_done(queue, before, (ends, places, values))]
    assert found == [[[0, 1]], [[2, 3], [4, 5]]]
    before = done(queue)
    q.pop(queue)
    assert [len(p) for p, _ in jumps_done(queue, before, (ends, places, values))] == [2]
