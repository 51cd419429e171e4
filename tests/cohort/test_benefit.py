"""Who benefits: an effect that markers carry is found, one that they do not is not, on patients not seen before."""

import math

import numpy as np
import pytest

from tme_sim.cohort import load_cohort, make_patients
from tme_sim.cohort.benefit import foretold, markers_of


def drawn(n=300, seed=4):
    draw = np.random.default_rng(seed)
    markers = {name: draw.normal(size=n) for name in ("burden", "afp", "albi", "nlr")}
    return markers, draw, np.arange(n) % 10


def test_marker_that_carries_the_effect_is_found_in_either_direction():
    markers, draw, folds = drawn()
    gain = 3.0 - 4.0 * markers["afp"] + draw.normal(size=300)
    found = foretold("a", "b", gain, markers, folds)
    assert found.auc["afp"][0] > 0.9 and found.auc["all"][0] > 0.9
    assert all(abs(found.auc[n][0] - 0.5) < 0.12 for n in ("burden", "albi", "nlr"))
    assert found.explained > 0.75
    means = [g[0] for g in found.groups]
    assert means == sorted(means)


def test_noise_is_not_taken_for_an_effect():
    areas, explained = [], []
    for seed in range(12):
        markers, draw, folds = drawn(80, seed)
        found = foretold("a", "b", 2.0 + 3.0 * draw.normal(size=80), markers, folds)
        areas.append(found.auc["all"][0])
        explained.append(found.explained)
    assert 0.4 < np.mean(areas) < 0.58
    assert np.mean(explained) < 0.02  # in the patients it was fitted to, it would be about 0.05


def test_area_equals_counting_pairs():
    markers, draw, folds = drawn(60)
    gain = 2.0 + markers["burden"] + draw.normal(size=60)
    found = foretold("a", "b", gain, {"burden": markers["burden"]}, folds)
    yes, no = markers["burden"][gain >= 2.0], markers["burden"][gain < 2.0]
    counted = np.mean([(a > b) + 0.5 * (a == b) for a in yes for b in no])
    assert found.auc["burden"][0] == pytest.approx(counted, abs=1e-12)
    assert 0.02 < found.auc["burden"][1] < 0.1


def test_afp_at_entry_is_that_of_the_model():
    from pathlib import Path

    from tme_sim.plan import plan_of
    from tme_sim.scenario import Scenario
    from tme_sim.simulation import set_up

    cohort = load_cohort(Path(__file__).parents[2] / "configs" / "cohorts" / "emerald1_like.toml")
    patient = next(p for p in make_patients(cohort, 12, 1, check=False) if p.lesions == 1)
    patient = next(p for p in make_patients(cohort, patient.number + 1, 1) if p.number == patient.number)
    units = {n: d.unit for n, d in cohort.draws.items()}
    ours = float(markers_of([patient.values], units, cohort.catalogue.names())["afp"][0])
    changes = {k: v for k, v in patient.changes.items() if k != "patient.occult"}
    ready = set_up(plan_of(Scenario.from_text("schema = 1", catalogue=cohort.catalogue).changed(changes)))
    from tme_sim.quantities import to_display

    level = float(to_display(ready.y0[ready.model.state_names.index("AFP")], "ng/mL"))
    assert math.isclose(ours, level, rel_tol=0.25)  # necrosis and dying cells are left out in ours
