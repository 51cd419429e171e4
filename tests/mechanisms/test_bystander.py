"""Bystanders: antigen-low cells die beside cells that T cells kill, and the clone still rests untreated."""

import pytest

from tme_sim.compiler.unitcheck import report
from tme_sim.mechanisms import bystander as b
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose

CHOICE = {"killing.bystander": "fas"}


def test_neighbours_die_in_proportion_to_kills_among_living_cells_and_not_where_nothing_is_killed():
    hazard = b.die_as_neighbour(0.5, 40.0, 1e3, 1e5, 0.0)
    assert hazard * 1e5 == pytest.approx(0.5 * 40.0 * 1e3)  # half as many neighbours as kills, were all antigen-low
    assert b.die_as_neighbour(0.5, 0.0, 1e3, 0.0, 1.0) == 0.0  # a lesion that is gone


def test_what_the_clone_gains_before_treatment_is_the_killing_that_neither_contact_nor_neighbours_bring():
    seen, beside = 300.0 / 1e4, 4.0 / 200.0
    assert b.escape_costs_beside(300.0, 1e4, 4.0, 200.0) + beside == pytest.approx(seen)


def test_only_the_chosen_network_has_bystanders_and_its_units_fit():
    plain, chosen = compose(all_mechanisms()), compose(all_mechanisms(), hypotheses=CHOICE)
    more = {p.name for p in chosen.processes} - {p.name for p in plain.processes}
    assert more == {"bystander_cycling_unseen", "bystander_quiescent_unseen"}
    assert [v for v in report(chosen) if v.problem] == []
