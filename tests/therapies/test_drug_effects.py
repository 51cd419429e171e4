"""Cytotoxic drugs kill as many cells under both accounts of how they die; the rival leaves most as necrosis."""

from __future__ import annotations

import pytest

from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.network import compose
from tme_sim.therapies.drug_effects import SENSITIVE

HAZARDS = {"chemo_kill": 0.3, "chemo2_kill": 0.1}


def deaths(hypotheses) -> dict[tuple[str, str], float]:
    """Hazard of death from cytotoxic drugs by (cells, what they become), at `HAZARDS`."""
    network = compose(all_mechanisms(), hypotheses=hypotheses)
    values = HAZARDS | {"drug_necrosis": 0.8}
    return {(one.of, one.into[0][0]): one.law(**{name: values[name] for name in one.law.__code__.co_varnames})
            for one in network.processes if one.name.startswith("cytotoxic_")}  # fmt: skip


def test_the_rival_kills_as_many_cells_and_leaves_most_of_them_as_necrosis():
    plain, rival = deaths({}), deaths({"drugs.death": "necrosis"})
    assert plain == {(cells, "dying"): pytest.approx(0.4) for cells in SENSITIVE}
    for cells in SENSITIVE:
        assert rival[cells, "necrotic"] == pytest.approx(0.8 * 0.4)
        assert rival[cells, "dying"] + rival[cells, "necrotic"] == pytest.approx(plain[cells, "dying"])
