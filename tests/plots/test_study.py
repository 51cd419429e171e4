"""Pictures of a study: one for every kind of design, nothing outside or over each other."""

from __future__ import annotations

import numpy as np

from tests.study.study_toys import MDSC, START, study


def test_a_picture_is_drawn_for_every_kind_of_design(tmp_path):
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    texts = {
        "map": MDSC + START,
        "line": MDSC,
        "ranked": '[[factor]]\nname = "way"\nkey = "biology.hypotheses.mdsc.loss"\nvalues = ["default"]\n'.replace(
            "mdsc.loss", next(iter(study().base.catalogue.hypotheses))),
        "strips": MDSC + START + '[design]\nkind = "latin_hypercube"\nn = 12\n',
    }
    for name, text in texts.items():
        made = study(text)
        rows = [Row("ok", "", {"pfs": float(i), "first_pd": "death"}) for i in range(len(made))]
        rows[-1] = Row("failed", "no") if len(rows) > 3 else rows[-1]
        figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
        figure.canvas.draw()
        assert figure.axes, name


def test_what_is_drawn_for_patients_is_no_axis_of_the_picture():
    from tme_sim.plots.study import how_to_read, study_figure
    from tme_sim.row import Row
    from tme_sim.study.store import table_of_rows

    patients = '[replicates]\ncount = 3\n[[replicates.draw]]\nname = "size"\nkey = "patient.lesion.main.diameter"\nlow = "30 mm"\nhigh = "60 mm"\n'
    arms = '[[arm]]\nname = "one"\n[[arm]]\nname = "two"\n'
    for text, said in ((MDSC + START, "Each cell"), (MDSC, "A line"), (arms, "Dots are"), ("", "A dot is a run")):
        made = study(text + patients)
        rows = [Row("ok", "", {"pfs": float(i)}) for i in range(len(made))]
        table = table_of_rows(made.plan_table, rows)
        assert how_to_read(made.plan_table, table).startswith(said), text
        names = [one.get_xlabel() for one in study_figure(made.plan_table, table).axes]
        assert ("size" in " ".join(names)) == (text == ""), names


def test_the_scale_of_a_map_lies_within_the_picture():
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    made = study(MDSC + START)
    rows = [Row("ok", "", {"viable_fraction_d180": 0.034 + 0.009 * i}) for i in range(len(made))]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    figure.canvas.draw()
    assert all(axes.get_tightbbox().x1 <= figure.bbox.x1 for axes in figure.axes)


def test_the_count_of_runs_keeps_clear_of_the_axes():
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    made = study(MDSC + START + '[design]\nkind = "latin_hypercube"\nn = 12\n')
    rows = [Row("ok", "", {"pfs": float(i)}) for i in range(11)] + [Row("failed", "no")]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    figure.canvas.draw()
    (foot,) = [t for t in figure.texts if "without a result" in t.get_text()]
    assert foot.get_window_extent().y0 >= 0
    assert not any(a.xaxis.label.get_window_extent().overlaps(foot.get_window_extent()) for a in figure.axes)


def test_ranks_are_compared_within_each_arm():
    from tme_sim.plots.study import study_figure
    from tme_sim.row import Row
    from tme_sim.study.store import table_of_rows

    arms = '[[arm]]\nname = "one"\n[[arm]]\nname = "two"\n'
    made = study(MDSC.replace('values = ["0.02 1/day", "0.05 1/day"]', "") + START.replace("levels = 2", "") + arms
                 + '[design]\nkind = "latin_hypercube"\nn = 8\n[outputs]\nendpoints = ["depth"]\n')
    values = made.columns()["mdsc_death"]  # goes up with it in one arm, down far above that in the other
    rows = [Row("ok", "", {"depth": x if arm == "one" else 9 - x})
            for x, (_, arm, _) in zip(values, made.points(), strict=True)]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    assert figure.axes[0].get_xlabel().startswith("mdsc death")
    assert figure.axes[0].get_title("right") == "rank correlation +1.00, \N{MINUS SIGN}1.00"


def test_of_factors_moved_one_at_a_time_that_which_moves_most_comes_first():
    from tme_sim.plots.study import study_figure
    from tme_sim.row import Row
    from tme_sim.study.store import table_of_rows

    made = study(MDSC + START + '[design]\nkind = "one_at_a_time"\n[outputs]\nendpoints = ["depth"]\n')
    moved = made.columns()["bev"]
    rows = [Row("ok", "", {"depth": -0.5 + 1e-9 * i + (x > 0)}) for i, x in enumerate(moved)]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    assert [one.get_xlabel().split()[0] for one in figure.axes if one.get_visible()] == ["bev", "mdsc"]


def test_a_factor_that_most_points_leave_alone_is_drawn_where_it_is_moved():
    from tme_sim.ensemble import Row
    from tme_sim.plots.study import study_figure
    from tme_sim.study.store import table_of_rows

    choice = '[[factor]]\nname = "loss"\nkey = "biology.hypotheses.mdsc.loss"\n'
    made = study(MDSC + START + choice + '[design]\nkind = "one_at_a_time"\n[outputs]\nendpoints = ["depth"]\n')
    rows = [Row("ok", "", {"depth": -0.1 * i}) for i in range(len(made))]
    figure = study_figure(made.plan_table, table_of_rows(made.plan_table, rows))
    panels = {one.get_xlabel(): one for one in figure.axes if one.get_visible()}
    assert len(panels) == 3
    for panel in panels.values():
        (points,) = panel.lines
        assert np.isfinite(points.get_xdata()).sum() == (3 if panel is panels["loss"] else 2)
    assert [t.get_text() for t in panels["loss"].get_xticklabels()] == ["default", "fast_turnover", "slow_turnover"]
