"""What a worker makes ready before the first run."""

from __future__ import annotations

import pytest

from tests.study.study_toys import AGENTS, ROOT
from tme_sim.study.reading import study_from_text


@pytest.mark.slow
def test_laws_of_single_cells_are_compiled_before_the_first_run(monkeypatch):
    from tme_sim.study.runner import Runner
    from tme_sim.tissue import fused

    made = study_from_text(AGENTS.format(root=ROOT), "study.toml")
    points = [(point[1], made.changes(point)) for point in made.points()]
    runner = Runner({"base": made.base}, made.outputs)
    loaded, load = [], fused.load
    monkeypatch.setattr(fused, "load", lambda model, text: (loaded.append(text), load(model, text))[1])
    runner.prepare(points)
    before, count = set(loaded), len(loaded)
    assert before
    runner.prepare(points)
    assert len(loaded) == count  # once for all points of a structure
    prepared = runner.rows(points)
    assert set(loaded) == before
    assert repr(prepared) == repr(Runner({"base": made.base}, made.outputs).rows(points))
