"""Figures of a trial: no arm is left out, nothing lies over anything, and patients are shown as the trial saw them."""

from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim.cohort.running import TrialResult
from tme_sim.plots.trial import paired_figure, spider_figure, survival_figure, swimmer_figure, waterfall_figure

LONG = "TACE with lenvatinib and pembrolizumab, both from three weeks before the first session of number "
DAYS = np.arange(0.0, 1100.0, 56.0)
FEW = 40


def result_of(arms, *, follow_up=None, title=LONG + LONG, after=""):
    scenario = SimpleNamespace(imaging=SimpleNamespace(criterion="recist11"), stop_tick=1440 * 1096)
    given = [SimpleNamespace(name=f"arm{i}", title=f"{LONG}{i}", scenario=scenario, after=after) for i in range(arms)]
    rng = np.random.default_rng(1)
    rows = {}
    for arm in given:
        os = rng.uniform(100, 1096, FEW)
        pfs = np.minimum(DAYS[np.searchsorted(DAYS, os * rng.uniform(0.2, 1.0, FEW))], os)
        rows[arm.name] = [
            {"patient": i, "repeat": 0, "os": os[i], "os_event": 1, "pfs": pfs[i], "pfs_event": 1, "ttp": pfs[i],
             "ttp_event": int(pfs[i] < os[i]), "dor": 0.0, "depth": 0.9 - 0.04 * i, "best_response_recist11": "SD",
             "orr_recist11": 0, "first_pd": "death"} for i in range(FEW)]  # fmt: skip
    trial = SimpleNamespace(arms=given, title=title, name="toy", repeats=1)
    follow = np.full(FEW, np.inf) if follow_up is None else follow_up
    return TrialResult(trial, rows, [{}] * FEW, follow, {arm.name: DAYS for arm in given})


def boxes(figure):
    figure.canvas.draw()
    drawer = figure.canvas.get_renderer()
    titles = [axes._left_title.get_window_extent(drawer) for axes in figure.axes if axes.get_visible()]
    return titles, [text.get_window_extent(drawer) for text in figure.texts], figure.bbox


def courses(result):
    course = {"patient": 0, "days": DAYS[:5], "change": [0.0, -0.5, 0.2, 1.0, 4.0]}
    return {arm: [course] for arm in result.arms}


@pytest.mark.parametrize("arms", [2, 8])
@pytest.mark.parametrize("draw", [
    survival_figure, paired_figure, swimmer_figure, waterfall_figure,
    lambda result: spider_figure(result, courses(result)),
], ids=["survival", "paired", "swimmer", "waterfall", "spider"])  # fmt: skip
def test_titles_of_panels_and_the_key_lie_apart_and_on_the_sheet(draw, arms):
    titles, texts, sheet = boxes(draw(result_of(arms, after="TACE by need")))
    for i, one in enumerate(titles):
        assert one.x1 <= sheet.x1 and not any(one.overlaps(other) for other in [*titles[:i], *texts])
    assert all(text.x1 <= sheet.x1 for text in texts)


def test_every_arm_has_a_curve_of_its_own_and_its_patients_at_risk():
    figure = survival_figure(result_of(8))
    for axes in figure.axes:
        curves = [line for line in axes.lines if len(line.get_xdata()) > 3]
        assert len({line.get_color() for line in curves}) == 8
    assert sum(text.get_text() == str(FEW) for text in figure.texts) >= 16
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_a_swimmer_is_seen_until_follow_up_ends():
    figure = swimmer_figure(result_of(2, follow_up=np.full(FEW, 60.0)))
    for axes in figure.axes:
        assert axes.get_xlim()[1] < 3.0
        assert {line.get_marker() for line in axes.lines} <= {">", "D"}  # nobody is seen to die: all are lost before
    assert "first 30 are drawn" in " ".join(text.get_text() for text in figure.texts)


def test_what_is_drawn_at_the_edge_is_told_as_more():
    for figure, most in ((waterfall_figure(result_of(1)), "≥ 60"), (spider_figure(one := result_of(1), courses(one)), "≥ 100")):
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()][-1] == most


def test_a_waterfall_tells_how_many_were_followed_for_less_than_it_shows():
    result = result_of(2)
    for days, told in ((np.inf, 0), (0.0, FEW)):
        figure = waterfall_figure(result_of(2, follow_up=np.full(FEW, days)))
        words = " ".join(text.get_text() for text in figure.texts)
        assert (f"as simulated, {told} followed for less" in words) == (told > 0), words
    some = np.where(np.arange(FEW) < 5, result.since_entry("arm1", "pfs") - 1.0, np.inf)
    assert "as simulated, 5 followed" in " ".join(t.get_text() for t in waterfall_figure(result_of(2, follow_up=some)).texts)


def test_words_stand_above_bars_that_all_go_down():
    result = result_of(2)
    rows = {"arm0": result.rows["arm0"], "arm1": [{**r, "pfs": r["pfs"] / 2} for r in result.rows["arm0"]]}
    axes = paired_figure(TrialResult(result.trial, rows, result.values, result.follow_up, result.visits)).axes[0]
    low, high = axes.get_ylim()
    assert high >= 0.15 * (high - low)
