"""Conversion to surgery: counts by visit on hand-made patients, and the figure."""

from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim.cohort.conversion import conversion_of

NEVER = np.nan
VISITS = np.array([0.0, 42.0, 84.0, 126.0])
# first and last visit that found the tumour resectable, and the end of follow-up
PATIENTS = [
    (0.0, 126.0, np.inf),  # resectable at entry: no conversion
    (42.0, 84.0, np.inf),
    (84.0, 126.0, np.inf),
    (84.0, 84.0, 60.0),  # lost before anyone saw it
    (NEVER, NEVER, np.inf),
]


def result_of(patients=PATIENTS, arms=("a", "b"), closed=np.inf):
    first, last, follow = (np.array(c, dtype=float) for c in zip(*patients, strict=True))
    columns = {"resectable_day": first, "resectable_until": last}
    titles = [SimpleNamespace(name=arm, title=f"arm {arm}") for arm in arms]
    return SimpleNamespace(
        trial=SimpleNamespace(arms=titles, title="toy", name="toy", repeats=1), arms=list(arms), follow_up=follow,
        failures=[], visits=dict.fromkeys(arms, VISITS), closed=closed, begin=lambda arm: 0.0,
        since_entry=lambda arm, name: columns[name])  # fmt: skip


def test_patients_are_counted_from_the_first_to_the_last_visit_that_found_them_resectable():
    found = conversion_of(result_of(), "a")
    assert found.days.tolist() == [42, 84, 126] and found.patients == 4
    assert found.operable.tolist() == [1, 2, 1] and found.ever.tolist() == [1, 2, 2]
    assert found.best == 1
    assert found.as_dict() == {"operable_most": 0.5, "operable_most_month": pytest.approx(84 / 30.4375)}


def test_visits_that_the_last_patients_to_enter_do_not_reach_are_left_out():
    found = conversion_of(result_of(closed=100.0), "a")
    assert found.days.tolist() == [42, 84] and found.operable.tolist() == [1, 2]


def test_the_first_of_equally_good_visits_is_the_best_and_a_subset_is_counted_alone():
    assert conversion_of(result_of([(42.0, 84.0, np.inf)]), "a").best == 0
    only = conversion_of(result_of(), "a", np.array([True, False, True, False, False]))
    assert only.patients == 1 and only.operable.tolist() == [0, 1, 1]


def test_nobody_converted_has_no_best_visit_and_no_figure():
    from tme_sim.plots.conversion import conversion_figure

    nobody = result_of([(0.0, 126.0, np.inf), (NEVER, NEVER, np.inf)])
    assert conversion_of(nobody, "a").best is None
    assert np.isnan(conversion_of(nobody, "a").as_dict()["operable_most"])
    assert conversion_figure(nobody) is None


def test_the_figure_marks_the_best_visit():
    from tme_sim.plots.conversion import conversion_figure

    now, ever = conversion_figure(result_of()).axes
    points = [line for line in now.lines if line.get_marker() == "o"]
    assert [p.get_xydata()[0].tolist() for p in points] == [[pytest.approx(84 / 30.4375), 50.0]] * 2
    assert ever.lines[0].get_ydata().tolist() == [0, 25, 50, 50, 50]  # the last visit is a step of its own
    assert "of 4 patients not resectable at entry" in [t.get_text() for t in now.texts]
