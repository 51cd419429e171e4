"""Progress of the runs behind findings."""

from __future__ import annotations

from tests.study.study_toys import study


def test_progress_of_findings_ends_with_all_runs_and_few_runs_say_nothing(tmp_path):
    from tme_sim.findings.runs import Runs
    from tme_sim.study import Progress

    told = []
    runs = Runs(study(), progress=told.append)
    for done in ((4, 4), (1, 9), (3, 9), (9, 9), (9, 9)):
        runs._told(Progress(*done, failed=1, rate=2.0, left=600.0))
    assert told == ["runs: 1 of 9, 1 without a result, 2 runs/s, 10 min left", "runs: 9 of 9, 1 without a result, 2 runs/s"]


def test_progress_of_findings_says_nothing_twice(tmp_path, monkeypatch):
    from tme_sim.findings import runs as module
    from tme_sim.study import Progress

    monkeypatch.setattr(module, "EVERY", 0.0)
    told = []
    runs = module.Runs(study(), progress=told.append)
    for done in (0, 5, 5, 9):
        runs._told(Progress(done, 9))
    assert told == ["runs: 0 of 9", "runs: 5 of 9", "runs: 9 of 9"]
