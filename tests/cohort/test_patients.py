"""Virtual patients: deterministic, addressed by number, spread as their file says; cohorts that cannot be are refused."""

import math
from pathlib import Path
from statistics import NormalDist, median

import numpy as np
import pytest
from few_lesions import cohort_of_one

from tme_sim.calibrated import draw_numbers, posterior_at
from tme_sim.cohort import load_cohort, load_trial, make_patients
from tme_sim.cohort.distributions import Draw, quantile
from tme_sim.cohort.patients import BESIDE, LIVES, PATIENCE, _Maker, _member, _Rest, make_fitted_patients
from tme_sim.diagnostics import InputError
from tme_sim.plan import plan_of, untreated
from tme_sim.scenario import Scenario
from tme_sim.simulation import set_up, structures

COHORTS = sorted(p for p in (Path(__file__).parents[2] / "configs" / "cohorts").glob("*.toml") if p.stem != "biology")
ONE = COHORTS[0].parent / "emerald1_like.toml"
POSTERIOR = ONE.parents[1] / "posteriors" / "default.json"


@pytest.fixture(scope="module")
def cohort():
    return load_cohort(ONE)


def draw(**data):
    return Draw(**{"source": "a test", "grade": "assumed", **data})


def edited(tmp_path, change):
    """The shipped cohort with its text changed, beside its biology."""
    (tmp_path / "biology.toml").write_text((ONE.parent / "biology.toml").read_text())
    path = tmp_path / "mine.toml"
    path.write_text(change(ONE.read_text()))
    return path


def test_patient_is_the_same_whoever_else_is_drawn(cohort):
    few = make_patients(cohort, 3, 7, check=False)
    assert make_patients(cohort, 1, 7, first=2, check=False) == few[2:]
    assert [p.number for p in few] == [0, 1, 2]
    assert make_patients(cohort, 3, 8, check=False) != few


def test_new_draw_moves_no_other(cohort, tmp_path):
    more = edited(
        tmp_path,
        lambda text: (
            text
            + (
                '\n[draw.height]\ndistribution = "normal"\nmean = 168.0\nspread = 8.0\nlow = 140.0\nhigh = 200.0\n'
                'unit = "cm"\nsource = "a test"\ngrade = "assumed"\n'
            )
        ),
    )
    for a, b in zip(
        make_patients(cohort, 5, 1, check=False), make_patients(load_cohort(more), 5, 1, check=False), strict=True
    ):
        assert {k: v for k, v in b.values.items() if k != "height"} == dict(a.values)


@pytest.mark.parametrize("path", COHORTS, ids=lambda p: p.stem)
def test_every_shipped_cohort_gives_scenarios(path):
    cohort = load_cohort(path)
    scenario = Scenario.from_text("schema = 1")
    for patient in make_patients(cohort, 4, 3, check=False):
        made = scenario.changed(patient.changes)
        assert len(made.patient.lesion) == patient.lesions
        assert made.patient.number == patient.number
        assert not [w for w in made.warnings if "outside the evidence" in w]


@pytest.mark.parametrize(("d", "share", "value"), [
    (draw(distribution="lognormal", median=4.0, spread=0.5), 0.5, 4.0),
    (draw(distribution="lognormal", median=4.0, spread=0.5), 0.841344746, 4.0 * math.exp(0.5)),
    (draw(distribution="normal", mean=2.0, spread=3.0, low=2.0), 0.5, 2.0 + 3.0 * NormalDist().inv_cdf(0.75)),
    (draw(distribution="uniform", low=1.0, high=3.0), 0.25, 1.5),
    (draw(distribution="choice", values=("a", "b"), weights=(1.0, 3.0)), 0.2, "a"),
    (draw(distribution="choice", values=("a", "b"), weights=(1.0, 3.0)), 0.3, "b"),
    (draw(distribution="chance", probability=0.1), 0.89, 0.0),
    (draw(distribution="chance", probability=0.1), 0.91, 1.0),
])  # fmt: skip
def test_quantiles(d, share, value):
    got = quantile(d, NormalDist().inv_cdf(share))
    assert got == (value if isinstance(value, str) else pytest.approx(value, rel=1e-5))


def test_draws_are_spread_and_correlated_as_the_file_says(cohort):
    patients = make_patients(cohort, 400, 2, check=False)
    size, mdsc, albumin, bilirubin = (
        np.array([p.values[n] for p in patients])
        for n in ("largest_diameter", "mdsc_density", "albumin_base", "bilirubin_base")
    )
    assert 44 < median(size) < 53
    assert 0.28 < np.corrcoef(np.log(size), np.log(mdsc))[0, 1] < 0.52
    assert -0.62 < np.corrcoef(albumin, np.log(bilirubin))[0, 1] < -0.36
    assert max(p.values["child_pugh_points"] for p in patients) <= 7


def test_who_cannot_exist_is_drawn_again_but_grows_as_drawn(cohort):
    free = make_patients(cohort, 6, 1, check=False)
    kept = make_patients(cohort, 6, 1)
    assert any(a.values != b.values for a, b in zip(free, kept, strict=True))
    for a, b in zip(free, kept, strict=True):
        for name in ("doubling_time", "largest_diameter", "albumin_base", "vegf_plasma_start"):
            assert a.values[name] == b.values[name]


def test_tumours_and_unseen_foci_rest_beside_each_other(cohort):
    """Patient 92 has one tumour that rests on its own, and foci beside which it would not."""
    scenario = Scenario.from_text("schema = 1", changes={"biology": cohort.biology()}, catalogue=cohort.catalogue)
    rest = _Rest(cohort, scenario)
    (free,), (kept,) = (make_patients(cohort, 1, 1, first=92, check=check) for check in (False, True))
    assert rest.apart(free.changes) and not rest.together(free.changes)
    set_up(plan_of(scenario.changed(kept.changes)))  # raises BaselineError for who cannot rest
    assert kept.values["doubling_time"] == free.values["doubling_time"]


def test_rest_does_not_depend_on_what_will_be_given():
    """The baseline of a plan without drugs and dates is that of the whole plan, number for number."""
    trial = load_trial(ONE.parents[1] / "trials" / "emerald1_like.toml", n=1)
    scenario, made = trial.arms[2].scenario, structures()
    for patient in make_patients(trial.cohort, 3, 1):
        plan = plan_of(scenario.changed(patient.changes))
        whole, bare = made(plan), made(untreated(plan))
        assert plan.drugs and not bare.events and (whole.y0 == bare.y0).all() and (whole.u0 == bare.u0).all()


def test_who_cannot_rest_beside_his_foci_is_soon_drawn_anew(cohort, monkeypatch):
    """A hypothesis under which foci never rest must not cost thousands of draws of one patient."""
    asked = []
    rest = _Rest(cohort, None)
    monkeypatch.setattr(rest, "apart", lambda changes: True)
    monkeypatch.setattr(rest, "together", lambda changes: asked.append(changes["doubling_time"]) or len(asked) > 60)
    monkeypatch.setattr(_Maker, "changes", lambda self, number, attempt, again, values: values)
    _Maker(cohort, 1, rest).patient(3)
    assert len(asked) == 61 and [asked.count(v) for v in dict.fromkeys(asked)] == [BESIDE, BESIDE, 61 - 2 * BESIDE]


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.replace("[eligibility]", "[eligibility]\ndiameter_most = 14.0"), "none of 300 draws"),
    (lambda t: t + '\n[draw.f_spec]\ndistribution = "fixed"\nvalue = 0.1\nsource = "mine"\ngrade = "assumed"\n',
     "cohorts differ in case mix alone"),
    (lambda t: t.replace("[draw.largest_diameter]", "[draw.largest_diametre]"), 'did you mean "largest_diameter"'),
    (lambda t: t.replace("high = 150.0", "high = 900.0"), "outside what is known for largest_diameter"),
    (lambda t: t.replace('unit = "mm"', 'unit = "kg"'), "measured in mm"),
    (lambda t: t.replace('"HBV", "HCV"', '"HBB", "HCV"'), 'did you mean "HBV"'),
    (lambda t: t.replace("weights = [80, 20]", "weights = [80, 20, 5]"), "one weight per value"),
    (lambda t: t + "".join(
        f'\n[[correlation]]\nof = ["{a}", "{b}"]\nvalue = {v}\nsource = "mine"\ngrade = "assumed"\n'
        for a, b, v in (("age", "weight", 0.9), ("weight", "ecog", 0.9), ("age", "ecog", -0.9))), "no patients could"),
    (lambda t: t.replace("values = [1, 2, 3, 4, 5, 6, 8]", "values = [1, 2, 3, 4, 5, 6, 13]"), "outside what is known"),
])  # fmt: skip
def test_cohort_that_cannot_be_is_refused_with_the_reason(tmp_path, change, words):
    path = edited(tmp_path, change)
    with pytest.raises(InputError, match=words) as caught:
        make_patients(load_cohort(path), 1, 1, check=False)
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize("n", [0, -3, True, 2.0])
def test_no_number_of_patients_is_refused(cohort, n):
    with pytest.raises(InputError, match="whole number"):
        make_patients(cohort, n, 1)


def test_a_number_of_a_draw_can_be_changed(cohort):
    slower = cohort.changed({"doubling_time.median": 320.0})
    assert slower.draws["doubling_time"].median == 320.0
    assert slower.digest != cohort.digest
    with pytest.raises(InputError, match='did you mean "doubling_time"'):
        cohort.changed({"doubling_tme.median": 320.0})
    with pytest.raises(InputError, match="outside what is known"):
        cohort.changed({"doubling_time.high": 5000.0})


def test_the_shared_biology_is_no_cohort():
    with pytest.raises(InputError, match="not a cohort"):
        load_cohort(ONE.parent / "biology.toml")


def with_hypotheses(tmp_path, table):
    """The shipped cohort over a biology with another table of hypotheses."""
    path = edited(tmp_path, lambda text: text)
    biology = (ONE.parent / "biology.toml").read_text().partition("[hypotheses]")
    rest = biology[2].partition("\n\n")[2]
    (tmp_path / "biology.toml").write_text(f"{biology[0]}[hypotheses]\n{table}\n\n{rest}")
    return path


def test_patients_of_a_calibration_follow_members_by_their_weights_whoever_else_is_drawn(cohort):
    posterior = posterior_at(POSTERIOR)
    follows = Scenario.from_text("schema = 1", "s", {"posterior.file": str(POSTERIOR)})
    some = make_fitted_patients(cohort, posterior, 12, 7, scenario=follows)
    assert some[:5] == make_fitted_patients(cohort, posterior, 5, 7, scenario=follows)
    met = [one.values["member"] for one in some]
    assert met == [one.changes["posterior.member"] for one in some] and len(set(met)) > 6
    assert all(posterior.weights[m - 1] > 0 for m in met)
    for one in some:  # they can rest, with the values of their member
        plan = plan_of(follows.changed(one.changes))
        assert plan.values["k_T_exh"] == pytest.approx(posterior.values(met[one.number])["k_T_exh"], rel=1e-12)
        set_up(plan)


@pytest.mark.parametrize(("refused", "given"), [(PATIENCE - 1, 0), (PATIENCE, 0), (LIVES * PATIENCE, 1)])
def test_who_cannot_rest_is_drawn_anew_and_then_given_another_member(cohort, monkeypatch, refused, given):
    asked = []
    monkeypatch.setattr(_Rest, "apart", lambda self, changes: asked.append(changes) or len(asked) > refused)
    monkeypatch.setattr(_Rest, "together", lambda self, changes: True)
    posterior = posterior_at(POSTERIOR)
    follows = Scenario.from_text("schema = 1", "s", {"posterior.file": str(POSTERIOR)})
    (one,) = make_fitted_patients(cohort, posterior, 1, 7, scenario=follows)
    assert one.values["member"] == _member(posterior, 7, 0, given)
    sizes = [c["patient.lesion"][0]["diameter"] for c in asked]
    assert len(set(sizes[:PATIENCE])) == 1 and (len(set(sizes)) > 1) == (refused == LIVES * PATIENCE or refused == PATIENCE)


def test_numbers_of_draws_follow_the_member_unless_the_cohort_fixes_them(cohort, tmp_path):
    posterior = posterior_at(POSTERIOR)
    numbers = draw_numbers(posterior.values(1), cohort.catalogue)
    follows = cohort.following(numbers | {"k_T_exh": 0.1, "lenvatinib.signalling_ic50": 2.0})
    assert follows.draws["occult_liver"].median == numbers["occult_liver.median"]
    fixed = load_cohort(cohort_of_one(tmp_path))
    assert fixed.following(numbers, fixed="pass over").draws["occult_liver"].value == 0.0
    with pytest.raises(InputError, match=r"occult_liver\.median: has no number"):
        fixed.following(numbers)


def test_virtual_patients_follow_the_hypotheses_of_their_biology(cohort, tmp_path):
    assert cohort.hypotheses == {
        "tace.reach": "by size", "liver.repair": "weeks", "tumour.resorption": "front", "killing.bystander": "fas",
        "angiogenesis.escape": "kept", "drugs.death": "necrosis"}  # fmt: skip
    other = load_cohort(with_hypotheses(tmp_path, 'mdsc.amp = "both"'))
    assert other.biology() == {"hypotheses": {"mdsc.amp": "both"}}
    assert other.digest != cohort.digest
    mine = cohort.biology({"off": ["liver"], "hypotheses": {"tace": {"reach": "default"}}})
    assert mine == {"off": ["liver"], "hypotheses": cohort.hypotheses | {"tace.reach": "default"}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('"tace.reech" = "drawn"', "is no registered hypothesis"),
        ('"tace.reach" = "drwn"', "is no choice"),
        ('"tace.reach" = 1', "must be the name of a choice in quotes"),
    ],
)
def test_a_hypothesis_that_is_none_is_refused(tmp_path, table, message):
    with pytest.raises(InputError) as refused:
        load_cohort(with_hypotheses(tmp_path, table))
    assert message in str(refused.value) and "biology.toml:" in str(refused.value)
