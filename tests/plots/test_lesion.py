"""The calendar reads the scans as the endpoints do; lesions one by one."""

import numpy as np
import pytest

from plots.plotted import a_run, panels_of, volume_of, words
from tme_sim.plots import run_figures
from tme_sim.plots.lesion import scan_readings
from tme_sim.plots.style import COLOURS


def test_responses_are_those_of_the_scans():
    run = a_run()
    expected = dict(scan_readings(run))["RECIST 1.1"]
    assert expected.responses == tuple(e["recist11"] for e in run.events if e["kind"] == "scan" and e["day"])
    assert {"PR", "PD"} <= set(expected.responses)
    figure = run_figures(run, ["calendar_and_lesion"])["calendar_and_lesion"]
    whole = panels_of(figure)[1]
    bars = [p for p in whole.patches if p.get_gid() == "response:PD"]
    first = {d / 30.4375 for d, r in zip(expected.days[1:], expected.responses, strict=True) if r == "PD"}
    assert min(first) == pytest.approx(min(p.get_x() for p in bars))
    rows = [p for p in whole.patches if (p.get_gid() or "").startswith("response:") and p.get_y() < 0.5]
    assert sum(p.get_width() for p in rows) == pytest.approx((730 - expected.days[1]) / 30.4375, rel=2e-3), "no gaps"


def test_the_first_scan_that_lets_a_surgeon_operate_is_marked():
    for summary, marks in (
        ({"resectable": 1, "resectable_day": 112.0}, [112.0]),
        ({"resectable": 0, "resectable_day": None}, []),
    ):
        figure = run_figures(a_run(summary=summary), ["calendar_and_lesion"])["calendar_and_lesion"]
        lines = [line for line in panels_of(figure)[1].lines if line.get_gid() == "resectable"]
        assert [x * 30.4375 for line in lines for x in line.get_xdata()] == pytest.approx(marks)


def test_responses_end_with_the_patient():
    run = a_run(summary={"os": 400.0, "os_event": 1})
    panel = panels_of(run_figures(run, ["calendar_and_lesion"])["calendar_and_lesion"])[1]
    ends = [p.get_x() + p.get_width() for p in panel.patches if (p.get_gid() or "").startswith("response:")]
    assert max(ends) == pytest.approx(400.0 / 30.4375)


def test_two_lesions_have_a_volume_each_and_their_own_dashes():
    figures = run_figures(a_run(lesions=2))
    assert {"Lesion volume by what its tissue is: main", "Lesion volume by what its tissue is: satellite"} <= set(
        words(figures["calendar_and_lesion"])
    )
    assert {"main", "satellite"} <= set(words(figures["oxygen_hif_vegf_vessels"]))
    axes = panels_of(figures["oxygen_hif_vegf_vessels"])[0]
    curves = [line for line in axes.lines if line.get_color() == COLOURS["oxygen"] and len(line.get_xdata()) > 2]
    assert len(curves) == 2 and curves[0].get_linestyle() == "-" and curves[1].get_linestyle() == "--"


def test_many_lesions_are_drawn_together():
    figure = run_figures(a_run(days=60, lesions=5), ["calendar_and_lesion"])["calendar_and_lesion"]
    assert len(panels_of(figure)) == 5 and any("all lesions" in w for w in words(figure))


# --- spider plot ------------------------------------------------------------


def spider_of(run):
    """Lines of the spider plot of a short run by their place: (months since the first scan, change in per cent)."""
    figure = run_figures(run, ["calendar_and_lesion"])["calendar_and_lesion"]
    assert any(w.startswith("Each lesion: change of its viable diameter") for w in words(figure))
    axes = panels_of(figure)[-2]
    return axes, [line for line in axes.lines if line.get_color() in (COLOURS["viable"], COLOURS["occult"])]


def appearing(run, day):
    """The run with a second lesion that is far too small to be seen before `day`, and doubles in diameter after it."""
    small = np.where(run.time < day, 1e-3, 1.0 + (run.time - day) / 56.0)
    for name in ("lesion_volume", "viable_cells", "dying", "necrotic"):
        base = {"lesion_volume": 1.0, "viable_cells": 1.4e5, "dying": 1e4, "necrotic": 5e4}[name]
        run.columns[f"{name}.2"] = base * np.pi / 6 * (12.0 * small) ** 3
    return run


def test_every_lesion_of_the_spider_plot_counts_from_its_first_scan():
    axes, lines = spider_of(a_run(days=200, lesions=2))
    curves = [line for line in lines if line.get_linestyle() != "None" and len(line.get_xdata()) > 2]
    expected = 100 * (np.cbrt(volume_of(200.0) / volume_of(0.0)) - 1)
    assert [c.get_ydata()[0] for c in curves] == [0.0, 0.0]
    assert [c.get_ydata()[-1] for c in curves] == pytest.approx([expected] * 2)
    levels = [line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "--"]
    assert {-30.0, 0.0, 20.0} <= set(levels)
    dots = [line for line in lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [4, 4], "one dot for each scan"


def test_a_lesion_first_seen_at_a_later_scan_is_new_and_starts_there():
    axes, lines = spider_of(appearing(a_run(days=200, lesions=2), 100.0))
    new = [line for line in lines if line.get_color() == COLOURS["occult"]]
    star = next(line for line in new if line.get_marker() == "*")
    assert star.get_xdata()[0] == pytest.approx(112 / 7) and star.get_ydata()[0] == 0.0
    assert min(min(line.get_xdata()) for line in new) == pytest.approx(112 / 7)
    assert "satellite, new" in [t.get_text() for t in axes.texts]


def test_a_lesion_that_no_scan_sees_is_left_out_of_the_spider_plot():
    _, lines = spider_of(appearing(a_run(days=200, lesions=2), 190.0))
    assert {line.get_color() for line in lines} == {COLOURS["viable"]}
