"""Calibration files are checked, and paired runs are those of the model, kept and found again."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.fit.design import plan_with, simulate_pairs, values_of
from tme_sim.fit.runs import RunStore
from tme_sim.fit.targets import Target, load_problem, patient_value, shown
from tme_sim.posterior import model_digest
from tme_sim.quantities import internal
from tme_sim.therapies.session import REACH, Session, lesion_changes

ROOT = Path(__file__).parents[2]
ONE = f"""
schema = 1
name = "tiny"
[run]
seed = 3
[[arm]]
name = "one"
cohort = "{ROOT}/configs/calibration/cohorts/large.toml"
protocol = "{ROOT}/configs/calibration/single_tace.toml"
duration = "60 day"
[[target]]
name = "left"
order = 2
arm = "one"
statistic = "share"
of = "viable_fraction_d28"
above = 0.1
value = 0.439
n = 66
source = "explants"
grade = "medium"
[[parameter]]
name = "reach"
[[parameter]]
name = "injury_vegf"
"""


@pytest.fixture(scope="module")
def shipped():
    return load_problem(ROOT / "configs" / "calibration" / "default.toml")


def test_the_shipped_file_keeps_its_promises(shipped):
    """All six blocks of evidence, at most 15 parameters, every target with source and uncertainty."""
    assert {t.order for t in shipped.targets if t.role == "fit"} == {1, 2, 3, 4, 5, 6}
    assert shipped.settings.most <= 15
    assert all(t.noise > 0 and t.source for t in shipped.targets)
    known = {**shipped.catalogue.parameters, **shipped.catalogue.session}
    for name, low, high in zip(shipped.priors.names, shipped.priors.low, shipped.priors.high, strict=True):
        if name in known:
            p = known[name]
            slack = 1e-12 * max(abs(p.low_internal), abs(p.high_internal))
            assert low >= p.low_internal - slack and high <= p.high_internal + slack


def test_the_quick_file_is_a_part_of_the_shipped_one_and_says_that_it_is_a_demonstration(shipped, tmp_path):
    """Its arms, targets and candidates are those of default.toml, number for number; a dry run says how little it is."""
    from click.testing import CliRunner

    from tme_sim.cli import cli

    file = ROOT / "configs" / "calibration" / "quick.toml"
    quick = load_problem(file)
    assert "no posterior to rely on" in quick.title
    for part in ("arms", "targets"):
        whole = {one.name: one for one in getattr(shipped, part)}
        assert all(one == whole[one.name] for one in getattr(quick, part))
    places = [shipped.priors.names.index(name) for name in quick.priors.names]
    for number in ("centre", "low", "high", "log"):
        assert np.array_equal(getattr(quick.priors, number), getattr(shipped.priors, number)[places])
    done = CliRunner().invoke(cli, ["calibrate", str(file), "--out", str(tmp_path / "fit"), "--dry"])
    assert done.exit_code == 0, done.output
    assert "quick: 3 arms, 7 targets and 1 check, 8 candidates, at most 1920 runs" in done.output
    assert not (tmp_path / "fit").exists()


def test_targets_name_their_rows_of_the_board(shipped):
    """What the board holds as fitted or predicted by the declared values is told of every target that shares it."""
    from tests.evidence.rows import ROWS

    rows = {row.name: row for row in ROWS}
    named = [t for t in shipped.targets if t.board]
    assert len(named) >= 8 and {t.board for t in named} <= rows.keys()
    for target in named:  # the same figure, as share or logarithm of a ratio
        row, value = rows[target.board], target.value
        figure = 100 * math.exp(value) if target.statistic == "mean_log" and row.unit == "% of start" else 100 * value
        assert row.met(figure) or row.met(100 - figure), target.name


def read(tmp_path, text):
    (tmp_path / "fit.toml").write_text(text)
    return load_problem(tmp_path / "fit.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("single_tace", "../protocols/emerald1_durva", "withheld, they are predicted and never fitted"),
        ("value = 0.439\n", "", "value: is missing"),
        ("n = 66\n", "", "has no uncertainty"),
        ("value = 0.439", "value = 43.9", "a share lies between 0 and 1"),
        ('arm = "one"\nstat', 'arm = "ones"\nstat', 'is no arm of this file, did you mean "one"'),
        ('name = "reach"', 'name = "rech"', 'no parameter of the model, did you mean "reach"'),
        ('name = "reach"', 'name = "reach"\nhigh = 0.95', "leaves its evidence, 0.05 to 0.8"),
        ('name = "reach"', 'name = "f_spec"', "is drawn for each patient"),
        ('name = "reach"', 'name = "f_spec.middle"', "is no number of a draw"),
        ("value = 0.439", 'value = 0.439\nrole = "check"', "a fit needs data"),
        ("schema = 1", "schema = 1\nnonsense = 2", "is not known here"),
        ('of = "', 'of = "x', "is no endpoint"),
        ("viable_fraction_d28", "VEGF_serom_d1", 'no value of the model on a day, did you mean "VEGF_serum_d1"'),
        ("viable_fraction_d28", "vegf_ratio_d1", "no value of the model on a day"),  # a ratio is read on landmarks alone
        ("viable_fraction_d28", "VEGF_serum_d61", "is simulated for 60 day only"),
        ("above = 0.1", 'above = 0.1\nover = "VEGF_d900"', "is simulated for 60 day only"),
        ("value = 0.439", "value = 0.439\nwhere = { largest_diametr = [30.0, 50.0] }", 'did you mean "largest_diameter"'),
        ("value = 0.439", "value = 0.439\nwhere = { largest_diameter = [900.0, 950.0] }", "nobody of .* a target needs data"),
    ],
)
def test_bad_files_are_refused_with_the_repair(tmp_path, old, new, message):
    assert ONE.count(old) >= 1
    with pytest.raises(InputError, match=message):
        read(tmp_path, ONE.replace(old, new, 1))


def test_a_mistake_of_an_arm_is_told_once_and_where_it_stands(tmp_path):
    """Not again with each of its targets, and not by a line of a text that no reader has."""
    with pytest.raises(InputError) as found:
        read(tmp_path, ONE.replace('"60 day"', '"-60 day"'))
    assert [p.key for p in found.value.problems] == ["arm[1].duration"]
    with pytest.raises(InputError) as found:
        read(tmp_path, ONE.replace("single_tace.toml", "single_tac.toml"))
    assert {(p.place, p.key) for p in found.value.problems} == {(str(tmp_path / "fit.toml"), "arm one")}
    assert 'did you mean "single_tace.toml"' in str(found.value)


def test_therapy_after_progression_is_part_of_an_arm(tmp_path):
    """A drug may follow embolisation, not go with it; and an arm that says "none" is the arm that says nothing."""
    after = f"{ROOT}/configs/protocols/after"
    said = 'single_tace.toml"\nafter_progression = '
    followed = read(tmp_path, ONE.replace('single_tace.toml"', f'{said}"{after}/tace_then_lenvatinib.toml"'))
    assert followed.scenarios["one"].protocol.followed_by == "TACE by need, then lenvatinib"
    plain, none = (read(tmp_path, ONE.replace('single_tace.toml"', new)) for new in ('single_tace.toml"', f'{said}"none"'))
    assert plain.digest == none.digest != followed.digest
    text = (ROOT / "configs/protocols/after/tace_then_lenvatinib.toml").read_text()
    (tmp_path / "both.toml").write_text(text.replace('phase = "systemic therapy"', 'phase = "further TACE"'))
    with pytest.raises(InputError, match="one gives lenvatinib with embolisation"):
        read(tmp_path, ONE.replace('single_tace.toml"', f'{said}"{tmp_path}/both.toml"'))


def test_no_targets_at_all_are_refused(tmp_path):
    text = ONE[: ONE.index("[[target]]")] + ONE[ONE.index("[[parameter]]") :]
    with pytest.raises(InputError, match=r"there is no \[\[target\]\]; a fit needs data"):
        read(tmp_path, text)


def test_numbers_of_a_session_can_be_varied_and_stay_declared_otherwise():
    values = {"core_share": 0.6, "k_depot_fast": 5.5, "k_depot_slow": 0.068}

    def reached(session):
        rows = [row for _, rows in lesion_changes(session, values.__getitem__) for row in rows]
        return next(row.constant for row in rows if row.target == "dox_exposed")

    assert reached(Session(numbers={"reach": 0.7})) == pytest.approx(0.7)
    assert reached(Session()) == pytest.approx(REACH.value)


def test_a_number_of_a_drug_is_fitted_within_its_evidence_and_meets_that_drug_alone(shipped):
    at = shipped.priors.names.index("lenvatinib.signalling_ic50")
    declared = shipped.catalogue.library.get("lenvatinib").binding["signalling_ic50"]
    assert shipped.priors.low[at] == declared.low_internal and shipped.priors.high[at] == declared.high_internal
    assert shown(shipped, at, declared.internal) == pytest.approx(declared.value)

    def slots(arm, **values):
        patient = SimpleNamespace(changes={})
        return plan_with(shipped.scenarios[arm], patient, values, shipped.settings).values

    half = {"lenvatinib.signalling_ic50": 0.5 * declared.internal, "oxaliplatin.kill_maximum": 3e-4,
            "fluorouracil.kill_maximum": 2e-4}  # fmt: skip
    assert slots("lenvatinib", **half)["tki_IC50"] == 0.5 * declared.internal
    assert "tki_IC50" not in slots("durvalumab", **half).keys() - slots("durvalumab").keys()
    assert slots("durvalumab", **half) == slots("durvalumab")
    by_artery = slots("li2022_haic", **half)
    assert {by_artery["chemo_kill_max"], by_artery["chemo2_kill_max"]} == {2e-4, 3e-4}


def test_a_share_below_a_mark_is_counted(shipped):
    target = next(t for t in shipped.targets if t.name == "cr_3_to_5_cm")
    one = {"largest_diameter": 40.0, "tumour_number": 1}
    assert [patient_value(target, {"depth": d}, one) for d in (-1.0, -0.9, 0.1)] == [1.0, 0.0, 0.0]
    assert math.isnan(patient_value(target, {"depth": -1.0}, one | {"tumour_number": 2}))
    assert math.isnan(patient_value(target, {"depth": float("nan")}, one))


def test_times_count_from_entry(shipped):
    """A drug or its placebo that leads in takes no time from the patient: a scan of day 252 is one of day 280 of the trial."""
    assert {arm.name: shipped.entry(arm.name) for arm in shipped.arms if shipped.entry(arm.name)} == {"leap012_tace": -28.0}
    target = next(t for t in shipped.targets if t.name == "leap012_pfs_12")
    at, window = float(internal(*target.at)), float(internal(*target.window))
    row = {"pfs": at - 28.0, "pfs_event": True}
    assert patient_value(target, row, {}, -28.0) == pytest.approx(0.5)
    assert patient_value(target, row, {}) == pytest.approx(max(0.5 - 28.0 / window, 0.0))


def test_a_value_of_the_model_is_divided_by_another(shipped):
    table = {"arm": "one", "statistic": "mean_log", "of": "VEGF_serum_d1", "over": "VEGF_serum_d0", "value": 0.5, "sd": 0.1}
    target = Target(**table, name="surge", order=5, source="toy", grade="assumed")
    assert target.values == (("VEGF_serum", 1), ("VEGF_serum", 0))
    assert patient_value(target, {"VEGF_serum_d1": 164.0, "VEGF_serum_d0": 100.0}, {}) == pytest.approx(math.log(1.64))
    for first in (0.0, float("nan")):
        assert math.isnan(patient_value(target, {"VEGF_serum_d1": 164.0, "VEGF_serum_d0": first}, {}))
    assert not any(t.values for t in shipped.targets)


def test_values_of_the_model_are_kept_with_the_endpoints(tmp_path, monkeypatch):
    """A day after the session more VEGF is in blood; the endpoints of the run are those of a file without it."""
    surge = ONE.replace("viable_fraction_d28", 'VEGF_serum_d1"\nover = "VEGF_serum_d0')
    scores = np.zeros((1, 2))
    plain, problem = simulate_pairs(read(tmp_path, ONE), "one", scores, [5]), read(tmp_path, surge.replace("0.1", "1.0"))
    with RunStore(tmp_path / "runs") as store:
        rows = simulate_pairs(problem, "one", scores, [5], store=store)
        (summary,) = rows.summaries
        assert summary["VEGF_serum_d1"] > summary["VEGF_serum_d0"] > 0 and rows.y[0, 0] == 1.0
        assert {name: summary[name] for name in plain.summaries[0]} == pytest.approx(plain.summaries[0], nan_ok=True)
        monkeypatch.setattr("tme_sim.fit.design.run_redrawn", None)
        assert (simulate_pairs(problem, "one", scores, [5], store=store).y == rows.y).all()
        with pytest.raises(TypeError):  # a row without these values does not serve, and the other way round
            simulate_pairs(read(tmp_path, ONE), "one", scores, [5], store=store)


def test_who_cannot_rest_keeps_pace_size_and_liver(shipped):
    """In a slow tumour T cells easily kill more than it loses: were such patients replaced, fast tumours would stand for all."""
    from tme_sim.cohort import make_patients
    from tme_sim.cohort.patients import REST
    from tme_sim.fit import design

    cohort, scenario = shipped.cohorts["../cohorts/emerald1_like.toml"], shipped.scenarios["one_tace"]
    again = []
    for number in range(40):
        first = make_patients(cohort, 1, shipped.settings.seed, first=number, check=False)[0]
        row, plan = design._existing(cohort, scenario, {}, number, shipped.settings)
        assert row["number"] == number and not row["summary"]
        if plan is None:
            assert "cannot rest" in row["message"]
            continue
        moved = {name for name, value in row["values"].items() if value != first.values[name]}
        assert moved <= set(REST)
        again += [first.values["doubling_time"]] * bool(moved)
    assert len(again) > 3 and np.median(again) > 250.0  # days


def test_pairs_feel_their_parameters_and_are_kept(tmp_path, monkeypatch):
    problem = read(tmp_path, ONE)
    low, high = problem.priors.bounds()
    scores = np.array([[low[0], 0.0], [high[0], 0.0]])
    told = []
    with RunStore(tmp_path / "runs") as store:
        rows = simulate_pairs(problem, "one", scores, [5, 5], store=store, label="w", announce=told.append)
    assert rows.good.all() and len(told) == 1
    left = [s["viable_fraction_d28"] for s in rows.summaries]
    assert left[1] < 0.8 * left[0]  # the drug reaches most cells, or hardly any, in the same patient
    monkeypatch.setattr("tme_sim.fit.design.run_redrawn", None)  # nothing is simulated again
    with RunStore(tmp_path / "runs") as store:
        again = simulate_pairs(problem, "one", scores, [5, 5], store=store, label="w")
        assert (again.y == rows.y).all() and again.summaries[0].keys() == rows.summaries[0].keys()
        with pytest.raises(TypeError):  # another patient is another run
            simulate_pairs(problem, "one", scores, [5, 6], store=store, label="w")
        store._store._db.execute("UPDATE run SET data = zeroblob(length(data))")
        with pytest.raises(TypeError):  # a row that was damaged is not believed
            simulate_pairs(problem, "one", scores, [5, 5], store=store, label="w")
    assert values_of(problem.priors, scores)[1]["reach"] == pytest.approx(0.8)


def test_the_model_digest_follows_what_a_session_does(monkeypatch):
    from tme_sim.therapies import reach, session

    before = model_digest()

    def closed_by(session, diameter, value, anatomy, seed, patient):
        return 0.0, 0.0

    closed_by.__module__ = reach.__name__
    with monkeypatch.context() as changed:
        changed.setattr(reach, "closed_by", closed_by)
        assert model_digest() != before
    assert model_digest() == before
    with monkeypatch.context() as changed:
        changed.setattr(session, "fill", reach.draws)  # of another module, so no part of this one
        assert model_digest() != before


def test_the_model_digest_follows_numbers_and_own_mechanisms(monkeypatch):
    before = model_digest()
    assert model_digest() == before != model_digest({"mine.py": "abc"})
    from tme_sim.therapies import session

    monkeypatch.setattr(session, "FIXED", session.FIXED[:-1])
    assert model_digest() != before
