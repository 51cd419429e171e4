"""Treatment marks: on every time axis, in the colour of what they treat."""

import pytest

from plots.plotted import NAMES, TACE, a_run, gids, marks_are_on, panels_of, words
from tme_sim.plots import run_figures
from tme_sim.plots.style import COLOURS
from tme_sim.plots.treatments import Course, treatments_of


@pytest.mark.parametrize("name", NAMES)
def test_treatments_are_marked_on_every_time_axis(figures, name):
    axes = panels_of(figures[name])
    assert len(axes) == len(figures[name].axes) >= 4
    for one in axes:
        marks_are_on(one, TACE, {"durvalumab": 7.0, "bevacizumab": 42.0})


def test_marks_outside_the_window_are_left_out():
    run = a_run(tace=(0.0, 300.0))
    early, whole = panels_of(run_figures(run, ["liver_and_markers"])["liver_and_markers"])[:2]
    count = [sum(line.get_gid() == "mark:tace" for line in axes.lines) for axes in (early, whole)]
    assert count == [1, 2]


def test_an_untreated_run_has_no_marks_no_drugs_and_one_column():
    figures = run_figures(a_run(tace=(), drugs=False))
    assert "drugs" not in figures and len(figures) == len(NAMES) - 1
    for figure in figures.values():
        axes = panels_of(figure)
        assert len({round(a.get_position().x0, 6) for a in axes}) == 1
        assert not [g for a in axes for g in gids(a) if g.startswith(("mark:", "strip:", "point:"))]
    assert "months since day 0" in words(figures["liver_and_markers"])


def test_a_short_run_counts_weeks_in_one_column():
    figures = run_figures(a_run(days=60))
    for figure in figures.values():
        axes = panels_of(figure)
        assert {a.get_gid() for a in axes} == {"panel:week"} and len({a.get_position().x0 for a in axes}) == 1
        for one in axes:
            marks_are_on(one, TACE, {"durvalumab": 7.0, "bevacizumab": 42.0})
    assert "weeks since first TACE" in words(figures["drugs"])


def test_treatment_before_day_0_is_on_the_axis():
    run = a_run(days=60, start=-30.0, drugs=False)
    run.events.append({"day": -28.0, "kind": "drug", "treatment": "lead-in", "what": "durvalumab 1500 mg"})
    axes = panels_of(run_figures(run, ["liver_and_markers"])["liver_and_markers"])[0]
    assert axes.get_xlim()[0] == pytest.approx(-30 / 7) and "strip:durvalumab" in gids(axes)


def test_a_bar_is_cut_at_a_hold_and_ends_one_interval_after_the_last_dose():
    course = Course("x", "pd1", (0.0, 21.0, 42.0, 126.0, 147.0), ("1 mg",))
    assert course.bars(1000.0) == [(0.0, 63.0), (126.0, 168.0)]
    assert course.bars(150.0) == [(0.0, 63.0), (126.0, 150.0)]
    assert Course("x", "", (5.0,), ()).bars(100.0) == [(5.0, 26.0)]


def test_drugs_take_the_colour_of_their_target_and_unknown_ones_none():
    run = a_run(days=60, drugs=False)
    for drug in ("durvalumab", "lenvatinib", "bevacizumab", "mystery"):
        run.events.append({"day": 7.0, "kind": "drug", "treatment": drug, "what": f"{drug} 8 mg"})
    colours = {c.drug: c.colour for c in treatments_of(run).courses}
    assert colours == {
        "durvalumab": COLOURS["pd1"], "lenvatinib": COLOURS["tki"], "bevacizumab": COLOURS["trap"],
        "mystery": COLOURS["other"],
    }  # fmt: skip


def test_the_slot_of_an_event_goes_before_the_library():
    run = a_run(days=60, drugs=False)
    run.events.append({"day": 7.0, "kind": "drug", "drug": "own", "slot": "ctla4", "what": "own 8 mg"})
    assert [(c.drug, c.slot, c.doses) for c in treatments_of(run).courses] == [("own", "ctla4", ("8 mg",))]
