"""Figures: every one is drawn and holds something, marks treatments on every time axis, and reads without a legend."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tme_sim import criteria
from tme_sim.analysis import Attribution, Contribution, Factor
from tme_sim.diagnostics import InputError
from tme_sim.plots import (
    attribution_figure,
    comparison_figure,
    draw_attribution,
    draw_comparison,
    draw_run,
    run_figures,
    save_figure,
)
from tme_sim.plots.compare import run_names
from tme_sim.plots.figures import FIGURES
from tme_sim.plots.lesion import scan_readings
from tme_sim.plots.record import diameter, lesion_volumes
from tme_sim.plots.sheet import spread
from tme_sim.plots.style import COLOURS, RUN_COLOURS, TimeScale, ink, number_text, power_text
from tme_sim.plots.treatments import Course, treatments_of
from tme_sim.results import Run

NAMES = [f.name for f in FIGURES]
TACE = (0.0, 28.0)
BODY = {
    "VEGF_plasma": ("pg/mL", 150.0), "vegf_free_plasma": ("pg/mL", 50.0), "MDSC_blood": ("cell/mm^3", 180.0),
    "MDSC_marrow": ("1", 1.0), "Treg_blood": ("1", 0.8), "DC_node": ("cell/mm^3", 400.0), "CD8_blood": ("cell/mm^3", 90.0),
    "trap_plasma": ("mg/L", 200.0), "pd1_plasma": ("mg/L", 250.0), "tki_plasma": ("mg/L", 0.0),
    "pd1_engaged": ("1", 0.9), "vegf_free_share": ("1", 0.2), "ctla4_engaged": ("1", 0.0),
    "albi": ("1", -2.4), "albi_reserve": ("1", -2.5), "IL6": ("1", 3.0), "NLR": ("1", 2.5), "AFP": ("ng/mL", 200.0),
    "death_hazard": ("1", 0.3), "invaded": ("1", 0.2),
}  # fmt: skip
LESION = {
    "oxygen_mean": ("mmHg", 9.0), "hypoxic_share": ("1", 0.6), "anoxic_viable": ("1", 0.1), "HIF1": ("1", 0.6),
    "HIF2": ("1", 0.5), "VEGF": ("1", 1.1), "vegf_fold": ("1", 0.6), "vegf_blocked": ("1", 0.4),
    "immature_vessels": ("1/mm^2", 90.0), "mature_vessels": ("1/mm^2", 75.0), "perfused_density": ("1/mm^2", 100.0),
    "vessel_quality": ("1", 0.7), "normalisation": ("1", 0.2), "open_share": ("1", 0.8), "perfusion": ("1", 0.9),
    "ENTPD2": ("1", 1.2), "ATP": ("1", 1.4), "AMP": ("1", 1.6), "adenosine": ("1", 1.5), "MDSC": ("cell/mm^3", 3000.0),
    "TAM": ("cell/mm^3", 8000.0), "Treg": ("cell/mm^3", 1200.0), "antigen": ("1", 2.0), "DAMP": ("1", 3.0),
    "DC": ("cell/mm^3", 400.0), "DC_mature": ("cell/mm^3", 25.0), "CD8": ("cell/mm^3", 5000.0),
    "CD8_exhausted": ("cell/mm^3", 2500.0), "CD8_stem": ("cell/mm^3", 850.0), "PDL1": ("1", 1.3), "pd1_bonds": ("1", 0.5),
    "kill_hazard": ("1/day", 0.004), "growth_rate": ("1/day", 0.0043), "doxorubicin": ("umol/L", 90.0),
}  # fmt: skip
SCENARIO = """
title = "A case"
[[patient.lesion]]
name = "main"
[[patient.lesion]]
name = "satellite"
"""


def volume_of(time, lesion=0):
    """Lesion volume (mm^3) that shrinks to a quarter and grows again."""
    return (
        65000.0 / (lesion + 1) * (0.25 + 0.75 * np.exp(-time / 40.0) + 0.6 * (np.maximum(time - 200.0, 0) / 500.0) ** 2)
    )


def scans_of(days, lesions):
    """Scan events with what they read of the first lesions, as a run tells them."""
    memory, out = np.zeros(criteria.memory_size(lesions)), []
    for day in days:
        seen = np.array([[*(diameter(v) for v in (volume_of(day, i), 0.7 * volume_of(day, i))), 1, 0, 1]
                         for i in range(lesions)], dtype=float)  # fmt: skip
        criteria.read_visit(day * 1440, seen, np.zeros(criteria.CLINIC), criteria.default_settings(), memory)
        row = {"day": float(day), "kind": "scan", "treatment": "scan", "what": "mri"}
        for c, name in enumerate(criteria.CRITERIA[:2]):
            block = criteria.block(c)
            row[f"sum_{name}"] = memory[block + criteria.SUM]
            if day:
                row[name] = criteria.RESPONSES[int(memory[block + criteria.STATUS])]
        out.append(row)
    return out


def a_run(days=730, lesions=1, tace=TACE, drugs=True, without=(), start=0.0, name="case", **more):
    """A run record as `simulate` writes it, with made-up curves that touch every panel."""
    time = np.arange(start, days + 1.0)
    columns, units = {}, {}
    for i, (column, (unit, size)) in enumerate(BODY.items()):
        columns[column], units[column] = size * (1 + 0.3 * np.sin(time / 60 + i)), unit
        if not drugs and column.endswith(("_plasma", "_engaged")) and column not in ("VEGF_plasma", "vegf_free_plasma"):
            columns[column] = 0.0 * time
    if not drugs:
        columns["vegf_free_share"] = 0.0 * time + 1.0
    for k in range(lesions):
        for i, (column, (unit, size)) in enumerate(LESION.items()):
            columns[f"{column}.{k + 1}"] = size * (1 + 0.3 * np.cos(time / 50 + i + k))
            units[f"{column}.{k + 1}"] = unit
        if not tace:
            columns[f"doxorubicin.{k + 1}"] = 0.0 * time
        volume = volume_of(time, k)
        for column, unit, values in (
            ("lesion_volume", "mm^3", volume), ("viable_cells", "cell", 0.7 * 2e5 * volume),
            ("dying", "cell", 0.05 * 2e5 * volume), ("necrotic", "cell", 0.25 * 2e5 * volume),
        ):  # fmt: skip
            columns[f"{column}.{k + 1}"], units[f"{column}.{k + 1}"] = values, unit
    for column in [c for c in columns if c.split(".")[0] in without]:
        del columns[column]
    events = [{"day": d, "kind": "tace", "treatment": "tace", "what": "conventional TACE"} for d in tace]
    events += scans_of(range(0, days + 1, 56), lesions)
    for drug, dose, first in (("durvalumab", 1500, 7), ("bevacizumab", 1050, 42)) if drugs else ():
        events += [
            {"day": float(d), "kind": "drug", "treatment": drug, "what": f"{drug} {dose} mg"}
            for d in range(first, days, 21)
        ]
    about = {"scenario": {"name": name}}
    return Run(time, columns, units, events=events, manifest=about, scenario_text=SCENARIO, **more)


def panels_of(figure):
    """Axes that carry time."""
    return [a for a in figure.axes if (a.get_gid() or "").startswith("panel:")]


def gids(axes):
    return [g for g in (c.get_gid() for c in axes.get_children()) if g]


def words(figure):
    return [t.get_text() for t in figure.texts]


@pytest.fixture(scope="module")
def figures():
    return run_figures(a_run())


# --- what is drawn ------------------------------------------------------------


def test_every_figure_is_written_and_none_is_blank(tmp_path):
    from matplotlib.image import imread

    folder = a_run().save(tmp_path / "case-1")
    paths = draw_run(folder)
    assert [p.name for p in paths] == [f"{n}.png" for n in NAMES] and all(p.parent == folder / "figures" for p in paths)
    for path in paths:
        picture = imread(path)[:, :, :3]
        assert picture.shape[1] == 1417 and picture.shape[0] < 0.97 * 1417 / 180 * 257, "fits a column and a page"
        inked = (picture.min(axis=2) < 0.9).mean()
        assert 0.02 < inked < 0.6, f"{path.name}: {inked:.1%} of it is inked"
    assert Run.load(folder).summary == {}, "the record itself is as it was"


def test_a_picture_carries_its_question_and_caption(tmp_path, figures):
    from PIL import Image

    path = save_figure(figures["drugs"], tmp_path / "x.png", "a question", "a caption")
    assert Image.open(path).text == {**Image.open(path).text, "Title": "a question", "Description": "a caption"}


def test_drawing_again_removes_what_no_longer_applies(tmp_path):
    folder = a_run(days=60, tace=(), drugs=False).save(tmp_path / "case-1")
    (folder / "figures").mkdir()
    (folder / "figures" / "drugs.png").write_bytes(b"old")
    (folder / "figures" / "mine.png").write_bytes(b"kept")
    names = {p.name for p in draw_run(folder)}
    assert "drugs.png" not in names and not (folder / "figures" / "drugs.png").exists()
    assert (folder / "figures" / "mine.png").read_bytes() == b"kept"


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run folder"):
        draw_run(tmp_path)
    assert not (tmp_path / "figures").exists()


def test_figures_are_chosen_by_name():
    assert list(run_figures(a_run(days=60), ["drugs"])) == ["drugs"]
    with pytest.raises(ValueError, match="drugs"):
        run_figures(a_run(days=60), ["drug"])


# --- treatment marks ------------------------------------------------------------


def marks_are_on(axes, tace, drugs):
    low, high = axes.get_xlim()
    days = {"week": 7.0, "month": 30.4375}[axes.get_gid().split(":")[1]]
    seen = sorted(
        line.get_xdata()[0] for line in axes.lines if line.get_gid() == "mark:tace" and line.get_transform() is not None
    )
    assert seen == pytest.approx([d / days for d in tace if low <= d / days <= high])
    bars = [g for g in gids(axes) if g.startswith(("strip:", "bar:"))]
    for drug, first in drugs.items():
        assert any(g.endswith(f":{drug}") for g in bars) == (first / days < high), (axes.get_gid(), drug)


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


# --- the calendar reads the scans as the endpoints do ------------------------------------------------------------


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
    for summary, marks in (({"resectable": 1, "resectable_day": 112.0}, [112.0]), ({"resectable": 0, "resectable_day": None}, [])):
        figure = run_figures(a_run(summary=summary), ["calendar_and_lesion"])["calendar_and_lesion"]
        lines = [line for line in panels_of(figure)[1].lines if line.get_gid() == "resectable"]
        assert [x * 30.4375 for line in lines for x in line.get_xdata()] == pytest.approx(marks)


def test_tissue_volumes_add_up_to_the_lesion():
    run = a_run(lesions=2)
    volumes = lesion_volumes(run)
    assert np.allclose(sum(volumes.values()), run["lesion_volume"] / 1000.0)
    assert np.allclose(volumes["necrotic"] / volumes["viable"], 0.25 / 0.7)
    run.manifest["sources"] = [{"name": "volume_floor", "value": 1.0, "unit": "mm^3"}]
    assert np.allclose(sum(lesion_volumes(run).values()), run["lesion_volume"] / 1000.0 - 1e-3), "a scar is no tissue"


# --- mechanisms off, several lesions ------------------------------------------------------------


def test_a_mechanism_that_is_off_leaves_its_panels_out():
    off = ("ENTPD2", "ATP", "AMP", "adenosine")
    full, less = (run_figures(a_run(without=w), ["mdsc_and_suppression"])["mdsc_and_suppression"] for w in ((), off))
    assert len(panels_of(full)) - len(panels_of(less)) == 2
    assert any("ENTPD2" in w for w in words(full)) and not any("ENTPD2" in w for w in words(less))
    letters = [w for w in words(less) if len(w) == 1]
    assert letters == [chr(ord("a") + i) for i in range(len(letters))], "letters have no hole"


def test_a_curve_that_is_missing_leaves_its_panel_to_the_others():
    figure = run_figures(a_run(without=("HIF2",)), ["oxygen_hif_vegf_vessels"])["oxygen_hif_vegf_vessels"]
    labels = [t.get_text() for a in figure.axes for t in a.texts]
    assert "HIF-1α" in labels and "HIF-2α" not in labels


def test_a_run_with_few_columns_draws_what_it_can():
    run = a_run()
    run.columns = {"AFP": run.columns["AFP"]}
    figures = run_figures(run)
    assert set(figures) == {"calendar_and_lesion", "liver_and_markers"}
    assert len(panels_of(figures["liver_and_markers"])) == 2


def test_values_that_are_zero_constant_or_missing_are_drawn():
    run = a_run(days=60)
    run.columns["IL6"] = 0.0 * run.time
    run.columns["NLR"] = 0.0 * run.time + 2.0
    run.columns["AFP"] = np.full_like(run.time, np.nan)
    run.columns["doxorubicin.1"] = np.where(run.time < 28, 0.0, 1.0)
    for figure in run_figures(run).values():
        figure.draw_without_rendering()


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
    assert len(panels_of(figure)) == 4 and any("all lesions" in w for w in words(figure))


# --- readable without a legend ------------------------------------------------------------


def every_text(figure):
    """Visible texts with what they cover, in pixels."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    found = [*figure.texts]
    for axes in figure.axes:
        found += [*axes.texts, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high and tick.label1.get_visible():
                    found.append(tick.label1)
    return [(t, t.get_window_extent(renderer)) for t in found if t.get_visible() and t.get_text().strip()]


CASES = {
    "treated": lambda: run_figures(a_run()), "untreated": lambda: run_figures(a_run(tace=(), drugs=False)),
    "short": lambda: run_figures(a_run(days=60)), "lesions": lambda: run_figures(a_run(days=300, lesions=2)),
    "compared": lambda: {"comparison": comparison_figure([a_run(), a_run(tace=(), drugs=False, name="bare")])},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_no_text_is_small_cut_or_covered_by_another(case):
    for name, figure in CASES[case]().items():
        texts = every_text(figure)
        width, height = figure.get_size_inches() * figure.dpi
        for text, box in texts:
            assert text.get_fontsize() >= 7.0, (name, text.get_text())
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert inside, (name, text.get_text(), box)
        x0, y0, x1, y1 = (np.array([getattr(box, side) for _, box in texts]) for side in ("x0", "y0", "x1", "y1"))
        across = np.minimum.outer(x1, x1) - np.maximum.outer(x0, x0)
        along = np.minimum.outer(y1, y1) - np.maximum.outer(y0, y0)
        # boxes hold the room for tall letters and descenders, so that lines may touch by a fifth of their height
        touch = (across > 1) & (along > 0.2 * np.minimum.outer(y1 - y0, y1 - y0))
        pairs = [
            (texts[i][0].get_text(), texts[j][0].get_text()) for i, j in zip(*np.nonzero(touch), strict=True) if i < j
        ]
        assert not pairs, (name, pairs)


def test_no_legend_lies_on_data_and_all_units_are_pretty(figures):
    for figure in figures.values():
        assert not figure.legends and all(a.get_legend() is None for a in figure.axes)
        labels = {a.get_ylabel() for a in figure.axes}
        assert not any("^" in label or "*" in label for label in labels)
    assert "cells/mm³" in {a.get_ylabel() for a in figures["mdsc_and_suppression"].axes}


@given(st.lists(st.floats(0, 17), min_size=1, max_size=8))
def test_labels_are_spread_in_order_apart_and_inside(places):
    places = sorted(places)
    out = spread(places, 2.0, 17.0)
    assert len(out) == len(places) and all(b - a >= 2.0 - 1e-9 for a, b in zip(out, out[1:], strict=False))
    assert out[0] >= -1e-9 and out[-1] <= 17.0 + 1e-9
    if all(b - a >= 2.0 for a, b in zip(places, places[1:], strict=False)):
        assert out == pytest.approx(places)


def test_labels_that_do_not_fit_stick_out_on_both_sides():
    assert spread([0.0, 0.0, 0.0], 2.0, 2.0) == pytest.approx([-1.0, 1.0, 3.0])


@pytest.mark.parametrize(
    ("start", "stop", "unit"), [(0, 60, "week"), (-21, 100, "week"), (0, 730, "month"), (0, 3650, "month")]
)
def test_time_ticks_are_whole_and_few(start, stop, unit):
    ticks = TimeScale(start, stop, unit).ticks
    assert 3 <= len(ticks) <= 9 and all(t == round(t) for t in ticks)


def test_24_months_end_at_a_tick():
    assert TimeScale(0, 730, "month").ticks[-1] == 24 and TimeScale(0, 60, "week").stop == 60


def test_numbers_on_axes():
    assert [number_text(v) for v in (0, 0.5, -2.5, 1500, 12000)] == ["0", "0.5", "−2.5", "1\u2009500", "12\u2009000"]
    assert [power_text(v) for v in (0.01, 1.0, 10000.0, 1e-3, 2e-5, 1e6)] == [
        "0.01", "1", "10\u2009000", "10⁻³", "2·10⁻⁵", "10⁶",
    ]  # fmt: skip


def test_wide_ranges_are_logarithmic_and_narrow_ones_start_at_zero():
    run = a_run()
    wide = run.columns["AFP"].copy()
    wide[300:] *= 1000
    run.columns["AFP"] = wide
    axes = panels_of(run_figures(run, ["liver_and_markers"])["liver_and_markers"])
    assert [a.get_yscale() for a in axes[-4:-2]] == ["log", "log"] and axes[2].get_ylim()[0] == 0.0


def test_small_first_weeks_get_an_axis_of_their_own_that_is_labelled():
    run = a_run()
    run.columns["NLR"] = np.where(run.time < 200, 2.0, 12.0)
    axes = panels_of(run_figures(run, ["liver_and_markers"])["liver_and_markers"])
    early, whole = axes[4], axes[5]
    assert early.get_ylim()[1] < 3 < 12 < whole.get_ylim()[1]
    assert whole.yaxis.get_major_ticks()[0].label1.get_visible()
    assert axes[2].get_ylim() == axes[3].get_ylim() and not axes[3].yaxis.get_major_ticks()[0].label1.get_visible()


# --- colours ------------------------------------------------------------


def test_a_thing_has_one_colour_everywhere(figures):
    strips, treated = {}, {}
    for figure in figures.values():
        for axes in panels_of(figure):
            for patch in axes.patches:
                if (patch.get_gid() or "").startswith(("strip:", "bar:")):
                    strips.setdefault(patch.get_gid().split(":")[1], set()).add(patch.get_facecolor())
            for text in axes.texts:
                treated.setdefault(text.get_text(), set()).add(text.get_color())
    assert set(strips) == {"durvalumab", "bevacizumab"} and all(len(c) == 1 for c in strips.values())
    assert all(len(c) == 1 for c in treated.values()), {k: v for k, v in treated.items() if len(v) > 1}
    assert treated["durvalumab"] == {ink(COLOURS["pd1"])} and treated["bevacizumab"] == {ink(COLOURS["trap"])}


# Machado, Oliveira and Fernandes 2009 (DOI 10.1109/TVCG.2009.113), severity 1
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour, matrix):
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 1e-9))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", ["none", *BLIND])
def test_curves_and_strips_of_a_panel_differ_for_every_eye(figures, blindness):
    matrix = BLIND.get(blindness, np.eye(3))
    for name, figure in figures.items():
        for axes in panels_of(figure):
            curves = {line.get_color() for line in axes.lines if len(line.get_xdata()) > 20}
            strips = {p.get_facecolor() for p in axes.patches if (p.get_gid() or "").startswith("strip:")}
            for group in (sorted(curves), sorted(strips)):
                seen = [lab(c, matrix) for c in group]
                for i, one in enumerate(seen):
                    for other, colour in zip(seen[i + 1 :], group[i + 1 :], strict=True):
                        assert np.linalg.norm(one - other) > 14, (name, blindness, group[i], colour)


def test_text_in_any_colour_can_be_read():
    def contrast(colour):
        return 1.05 / ((lab(colour, np.eye(3))[0] + 16) ** 3 / 116**3 + 0.05)

    for colour in {*COLOURS.values(), *RUN_COLOURS}:
        assert contrast(ink(colour)) >= 4.4, colour
    assert ink("#1A1A1A") == "#1A1A1A"


# --- comparison ------------------------------------------------------------


def test_runs_are_compared_each_in_its_colour_with_its_treatments(tmp_path):
    runs = [
        a_run(tace=(), drugs=False, name="bare"),
        a_run(tace=(0.0, 60.0), drugs=False, name="tace"),
        a_run(name="all"),
    ]
    figure = comparison_figure(runs)
    axes = panels_of(figure)
    assert len(axes) == 20
    for one in axes[2:]:
        curves = [line for line in one.lines if len(line.get_xdata()) > 50]
        assert [c.get_color() for c in curves] == list(RUN_COLOURS[:3])
        assert {"mark:tace", "mark:all", "strip:all"} <= set(gids(one)) and "strip:tace" not in gids(one)
    assert {"bare", "tace", "all"} <= set(words(figure))
    path = draw_comparison(runs, tmp_path / "c.png")
    assert path.stat().st_size > 50_000


def test_lesions_are_averaged_by_volume_in_a_comparison():
    run = a_run(lesions=2)
    run.columns["CD8.1"], run.columns["CD8.2"] = 100.0 + 0 * run.time, 400.0 + 0 * run.time
    figure = comparison_figure([run, a_run(name="other")])
    cd8 = next(a for a in panels_of(figure) if any(np.allclose(line.get_ydata(), 200.0) for line in a.lines
                                                   if len(line.get_xdata()) > 50))  # fmt: skip
    assert cd8.get_ylabel() == "cells/mm³"


def test_names_tell_runs_apart():
    assert run_names([a_run(name="a"), a_run(name="b")]) == ["a", "b"]
    same = [a_run(name="a", folder=Path("x/a-1")), a_run(name="a", folder=Path("x/a-2"))]
    assert run_names(same) == ["a-1", "a-2"]
    assert run_names([a_run(name="a"), a_run(name="a")]) == ["a 1", "a 2"]


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="at least one run"):
        comparison_figure([])
    run = a_run(tace=(), drugs=False)
    run.columns = {}
    with pytest.raises(ValueError, match="nothing to draw"):
        comparison_figure([run])


# --- attribution ------------------------------------------------------------


def an_attribution(count=3):
    parts = [50.0 * (-0.8) ** i for i in range(count)]
    contributions = tuple(Contribution(f"p{i}", f"process {i}", 1, v, 0.1) for i, v in enumerate(parts))
    factors = tuple(Factor(f"p{i}", 1, "vegf", "arrow", "VEGF -> entry", v - 1.0) for i, v in enumerate(parts))
    end = 300.0 + sum(parts) + 7.0
    return Attribution(
        "MDSC", "suppressor cells", 1, "cell/mm^3", 0.0, 28.0, 300.0, end, contributions, ((14.0, 7.0),), 0.0,
        gross=sum(map(abs, parts)) + 7.0, drift=float(count), factors=factors,
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 3, 30])
def test_bars_of_an_attribution_add_up_to_the_change(count, tmp_path):
    found = an_attribution(count)
    figure = attribution_figure(found)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        widths = [p.get_width() for p in axes.patches]
        assert len(widths) <= 14 and widths[-1] == pytest.approx(found.change)
        assert sum(widths[:-1]) == pytest.approx(found.change, abs=2e-3 * found.gross)
    assert draw_attribution(found, tmp_path / "a.png").stat().st_size > 10_000
    for text, box in every_text(figure):
        assert box.x0 >= 0 and box.x1 <= 1418, text.get_text()


# --- no global state, no engine ------------------------------------------------------------

ALONE = """
import sys
import tme_sim.plots
assert "matplotlib" not in sys.modules, "matplotlib is imported before anything is drawn"
import matplotlib
before = matplotlib.rcParams.copy()  # reading "backend" itself would import pyplot
sys.path.insert(0, sys.argv[1])
from pathlib import Path
tme_sim.plots.draw_run(sys.argv[2])
assert matplotlib.rcParams.copy() == before
for module in ("matplotlib.pyplot", "numba", "tme_sim.engine", "tme_sim.compiler", "tme_sim.simulation"):
    assert module not in sys.modules, module
"""


def test_figures_need_neither_pyplot_nor_the_engine(tmp_path):
    folder = a_run(days=60).save(tmp_path / "case-1")
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path), str(folder)], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr


def test_the_same_run_gives_the_same_picture(tmp_path):
    one, two = (
        save_figure(run_figures(a_run(days=60), ["drugs"])["drugs"], tmp_path / f"{n}.png").read_bytes() for n in "ab"
    )
    assert one == two


def test_responses_end_with_the_patient():
    run = a_run(summary={"os": 400.0, "os_event": 1})
    panel = panels_of(run_figures(run, ["calendar_and_lesion"])["calendar_and_lesion"])[1]
    ends = [p.get_x() + p.get_width() for p in panel.patches if (p.get_gid() or "").startswith("response:")]
    assert max(ends) == pytest.approx(400.0 / 30.4375)
