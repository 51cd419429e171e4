"""What a study says of itself: units of its columns, choices without an order, entries that are not there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.study.study_toys import HEAD, MDSC, START, study
from tme_sim.diagnostics import InputError
from tme_sim.plots.study import _by_median
from tme_sim.study.tables import columns_text, unit_of


def test_columns_of_trajectories_have_the_unit_of_their_state():
    made = study(MDSC + '[outputs]\ntrajectories = ["MDSC"]\ndays = [0, 28]\n')
    assert unit_of(made.plan_table, "MDSC_d28") == "cell/mm^3"
    assert unit_of(made.plan_table, "replicate") == "1" and unit_of(made.plan_table, "status") == "text"
    assert "MDSC_d28,cell/mm^3,MDSC on day 28" in columns_text(made.plan_table, {"MDSC_d28": np.zeros(1)})


def test_a_hold_that_the_protocol_does_not_have_is_told_as_such():
    text = '[[factor]]\nname = "h"\nkey = "protocol.treatment.bevacizumab.hold.1.before"\nvalues = ["1 day", "2 day"]\n'
    with pytest.raises(InputError, match="there is no hold whose entry 1 could be changed"):
        study(text)


def test_dates_of_a_list_are_in_days_unless_they_have_a_unit(tmp_path):
    (tmp_path / "points.csv").write_text("start\n-14\n21\n")
    text = '[design]\nkind = "list"\nfile = "points.csv"\n[[factor]]\nname = "start"\nkey = "protocol.treatment.bevacizumab.start"\n'
    made = study(text, folder=tmp_path)
    assert made.factor("start").unit == "day" and [row[0] for row in made.rows] == [-14.0, 21.0]
    with pytest.raises(InputError, match='"start" has no values'):
        study(text.replace('kind = "list"\nfile = "points.csv"\n', ""))


def test_choices_count_by_their_medians_and_not_by_their_names():
    groups, y = np.array(["b", "a", "b", "c", "a", "c"]), np.array([1.0, 2.0, 3.0, 0.0, 9.0, np.nan])
    assert _by_median(groups, y).tolist() == [2.0, 5.5, 2.0, 0.0, 5.5, 0.0]


def test_folders_of_whole_runs_are_found_by_the_row(tmp_path):
    from click.testing import CliRunner

    from tme_sim.cli import cli

    (tmp_path / "study.toml").write_text(HEAD + MDSC + "[outputs]\nruns = true\n")
    done = CliRunner().invoke(cli, ["sweep", str(tmp_path / "study.toml"), "--out", str(tmp_path / "s"), "--jobs", "0"])
    assert done.exit_code == 0, done.output
    head, *rows = (tmp_path / "s" / "folders.csv").read_text().splitlines()
    assert head == "folder,mdsc_death,arm,replicate,status"
    made = study(MDSC + "[outputs]\nruns = true\n")
    assert rows == [f"{key.hex()},{v},base,0,ok" for key, v in zip(made.keys, (0.02, 0.05), strict=True)]
    assert all((tmp_path / "s" / "runs" / row.split(",")[0] / "manifest.json").is_file() for row in rows)


def test_points_of_one_factor_at_a_time_are_drawn_at_the_values_of_their_factor(tmp_path, monkeypatch):
    from tme_sim.plots import study as plots

    drawn = []
    monkeypatch.setattr(plots, "dress_axes", lambda axes, *_: drawn.append(axes))
    made = study(MDSC + '[[factor]]\nname = "amp"\nkey = "biology.hypotheses.mdsc.amp"\n[design]\nkind = "one_at_a_time"\n')
    plan = made.plan_table
    table = {**plan.columns(), "depth": np.linspace(0.0, 1.0, len(made)), "status": np.array(["ok"] * len(made), dtype=object)}
    plots.draw_study(plan, table, tmp_path / "x.png")
    seen = [np.concatenate([line.get_xdata() for line in axes.lines]) for axes in drawn]
    assert sorted(x[np.isfinite(x)].tolist() for x in seen) == [[0.02, 0.05], [1.0, 2.0, 0.0]]


def test_a_map_says_where_no_run_has_a_value():
    from tme_sim.plots.study import study_figure

    made = study(MDSC + START)
    plan = made.plan_table
    status = np.array(["ok", "ok", "ok", "failed"], dtype=object)
    table = {**plan.columns(), "depth": np.array([0.1, 0.2, 0.3, np.nan]), "status": status}
    words = [text.get_text() for text in study_figure(plan, table).texts]
    assert "3 runs; 1 without a result are left out" in words and "bright: better; grey: no run with a value" in words
    whole = {**table, "depth": np.array([0.1, 0.2, 0.3, 0.4]), "status": np.array(["ok"] * 4, dtype=object)}
    assert not any("grey" in text.get_text() for text in study_figure(plan, whole).texts)


@pytest.mark.parametrize(("endpoint", "colours", "said"), [
    ("burden_d28", "cividis_r", ["bright: better"]), ("survival_d28", "cividis", ["bright: better"]), ("n_tace", "cividis", []),
])  # fmt: skip
def test_a_map_is_bright_where_it_is_better_as_timing_surfaces_are(endpoint, colours, said):
    from tme_sim.plots.study import study_figure

    plan = study(MDSC + START + f'[outputs]\nendpoints = ["{endpoint}"]\n').plan_table
    table = {**plan.columns(), endpoint: np.arange(4.0), "status": np.array(["ok"] * 4, dtype=object)}
    figure = study_figure(plan, table)
    assert figure.axes[0].collections[0].get_cmap().name == colours
    assert [one.get_text() for one in figure.texts if "bright" in one.get_text()] == said


def test_pictures_say_what_marks_mean_where_there_are_several_patients():
    from tme_sim.plots.study import study_figure

    patients = "[replicates]\ncount = 3\n[[replicates.draw]]\nname = \"k\"\nkey = \"parameters.k_T_exh\"\n"
    arms = '[[arm]]\nname = "a"\n[[arm]]\nname = "b"\nset = {"patient.weight" = "80 kg"}\n'
    for text, said in ((MDSC + START + patients, "colour: mean over patients"),
                       (MDSC + patients, "line: median; band: middle 80 %"),
                       (arms + patients, "dot: a run; bar: median")):
        made = study(text)
        plan = made.plan_table
        table = {**plan.columns(), "depth": np.linspace(0.0, 1.0, len(made)),
                 "status": np.array(["ok"] * len(made), dtype=object)}
        assert any(said in one.get_text() for one in study_figure(plan, table).texts)


def test_days_of_names_are_days_and_nothing_else():
    from tme_sim.findings.told import label_of

    assert label_of("burden_d180") == "burden on day 180 (mL)"
    assert label_of("mdsc_density_d42").startswith("mdsc density on day 42")
