"""Who benefits: an effect that markers carry is found, one that they do not is not, on patients not seen before."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from few_lesions import CONFIGS, cohort_of_one

from tme_sim import Scenario, simulate
from tme_sim.cohort import load_cohort, load_trial, make_patients
from tme_sim.cohort.benefit import foretold, markers_of
from tme_sim.cohort.running import TrialResult
from tme_sim.plots.trial import benefit_figure


def drawn(n=300, seed=4):
    draw = np.random.default_rng(seed)
    markers = {name: draw.normal(size=n) for name in ("burden", "afp", "albi", "nlr")}
    return markers, draw, np.arange(n) % 10


def test_marker_that_carries_the_effect_is_found_in_either_direction():
    markers, draw, folds = drawn()
    gain = 3.0 - 4.0 * markers["afp"] + draw.normal(size=300)
    found = foretold("a", "b", gain, markers, folds)
    assert found.auc["afp"][0] < 0.1 and found.auc["all"][0] > 0.9  # low AFP goes with benefit
    assert all(abs(found.auc[n][0] - 0.5) < 0.12 for n in ("burden", "albi", "nlr"))
    assert found.explained > 0.75
    means = [g[0] for g in found.groups]
    assert means == sorted(means)


def test_noise_is_not_taken_for_an_effect_and_spreads_as_its_errors_say():
    """Areas of markers of no use lie around 0.5, by the errors that are told: of one marker and of all together."""
    found = []
    for seed in range(80):
        markers, draw, folds = drawn(80, seed)
        found.append(foretold("a", "b", 2.0 + 3.0 * draw.normal(size=80), markers, folds))
    assert np.mean([f.explained for f in found]) < 0.02  # in the patients it was fitted to, it would be about 0.05
    for name, low, high in (("afp", 0.8, 1.25), ("nlr", 0.8, 1.25), ("all", 0.95, 1.6)):
        area, error = np.array([f.auc[name] for f in found]).T
        assert abs(area.mean() - 0.5) < 3 * area.std() / np.sqrt(len(area))
        assert low < error.mean() / area.std() < high


def test_a_benefit_of_one_patient_is_no_certainty():
    markers, _, folds = drawn(60)
    gain = np.where(markers["nlr"] == markers["nlr"].max(), 5.0, 0.0)
    area, error = foretold("a", "b", gain, markers, folds).auc["nlr"]
    assert area == 1.0 and error > 0.25


def test_area_equals_counting_pairs():
    markers, draw, folds = drawn(60)
    gain = 2.0 + markers["burden"] + draw.normal(size=60)
    found = foretold("a", "b", gain, {"burden": markers["burden"]}, folds)
    yes, no = markers["burden"][gain >= 2.0], markers["burden"][gain < 2.0]
    counted = np.mean([(a > b) + 0.5 * (a == b) for a in yes for b in no])
    assert found.auc["burden"][0] == pytest.approx(counted, abs=1e-12)
    assert 0.02 < found.auc["burden"][1] < 0.1


def test_markers_at_entry_are_those_of_the_untreated_patient(tmp_path):
    """Hypoxia, AFP, NLR and MDSC come from the model at rest, with occult foci and all lesions."""
    cohort = load_cohort(cohort_of_one(tmp_path))
    patients = make_patients(cohort, 3, 1)
    (tmp_path / "trial.toml").write_text(
        f'schema = 1\nname = "small"\ncohort = "one_lesion.toml"\nn = 3\nduration = "60 day"\n[[arm]]\n'
        f'protocol = "{CONFIGS}/protocols/untreated.toml"\n')
    trial = load_trial(tmp_path / "trial.toml")
    result = TrialResult(trial, {"untreated": []}, [p.values for p in patients], np.zeros(3), {}, patients=patients)
    found = markers_of(result)
    assert {"hypoxic_share", "mdsc_share", "nlr", "afp", "albi", "burden"} <= set(found)
    for i, patient in enumerate(patients):
        bare = Scenario.from_text("schema = 1", changes={"run": {"duration": "1 day"}, "biology": cohort.biology()})
        alone = simulate(bare.changed(patient.changes))
        for name, series in (("hypoxic_share", "hypoxic_share"), ("afp", "AFP"), ("nlr", "NLR")):
            assert math.isclose(found[name][i], float(np.ravel(alone[series])[0]), rel_tol=1e-6), name


def trial_of(arms, n=60):
    """A trial in which the gain of arm number k follows marker number k."""
    draw = np.random.default_rng(2)
    values = [{"burden": b, "albi": a} for b, a in draw.normal(size=(n, 2))]
    carried = (lambda v: 4.0 * v["burden"], lambda v: -4.0 * v["albi"])
    months = {"a": np.full(n, 8.0)} | {name: np.array([8.0 + carried[k % 2](v) for v in values])
                                       for k, name in enumerate(arms[1:])}  # fmt: skip
    named = [SimpleNamespace(name=arm, title=f"arm {arm}") for arm in arms]
    cohort = SimpleNamespace(draws={}, catalogue=SimpleNamespace(names=dict))
    return SimpleNamespace(
        trial=SimpleNamespace(arms=named, title="A toy", name="toy", repeats=1, cohort=cohort), arms=list(arms),
        follow_up=np.full(n, np.inf), failures=[], rows={"a": [{"patient": i} for i in range(n)]}, values=values,
        at_entry={}, gains=lambda one, two: (months[two] - months[one]) * 30.4375)  # fmt: skip


def test_the_figure_shows_every_arm_over_the_first(tmp_path):
    figure = benefit_figure(trial_of("abc"))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [t.partition("\n")[0] for t in titles[:2]] == ["arm b", "arm c"] and "of 60 gain" in titles[0]
    first, second = ({text.get_text(): bar for text, bar in zip(figure.axes[0].get_yticklabels(), axes.patches, strict=True)}
                     for axes in figure.axes[:2])  # fmt: skip
    assert first["diameter (cm) + number"].get_width() > 0.4  # high values benefit from b
    assert second["ALBI"].get_width() < -0.4  # low values benefit from c
    figure.savefig(tmp_path / "benefit.png")
    assert benefit_figure(trial_of("ab", 20)) is None
    assert len(benefit_figure(trial_of("abcdefgh")).axes) == 10  # five arms, two panels each
