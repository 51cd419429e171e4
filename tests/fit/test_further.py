"""Checks of a finished fit: nothing is fitted, members meet other arms, and the file can aim at nothing withheld."""

import json
from pathlib import Path

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.fit.design import Rows
from tme_sim.fit.further import check, checks_text, compared
from tme_sim.fit.targets import Target, load_problem, patient_value
from tme_sim.posterior import load_posterior
from tme_sim.priors import generator

CONFIGS = Path(__file__).parents[2] / "configs"
FILE, FIT = CONFIGS / "calibration" / "checks.toml", CONFIGS / "posteriors" / "default.json"


@pytest.fixture(scope="module")
def posterior():
    return load_posterior(FIT)


def target(**more):
    return Target(**{"name": "t", "order": 1, "arm": "arm", "statistic": "share", "of": "orr_recist11", "value": 0.3,
                     "n": 400, "discrepancy": 0.0, "role": "check", "source": "toy", "grade": "assumed"} | more)  # fmt: skip


def test_members_that_differ_widen_the_verdict_and_weights_count():
    draw, weights = generator(3), np.ones(100) / 100
    same = (draw.random(2000) < 0.3).astype(float)
    alike = compared(target(), same, weights, 20)
    assert alike["within_2"] and alike["parameter_sd"] < 0.05 and alike["runs"] == 2000
    each = np.repeat(np.where(np.arange(100) < 50, 0.1, 0.5), 20)  # half of the members say 10 %, half 50 %
    apart = compared(target(), (draw.random(2000) < each).astype(float), weights, 20)
    assert 0.15 < apart["parameter_sd"] < 0.25
    first = compared(target(), (draw.random(2000) < each).astype(float), (np.arange(100) < 50) / 50, 20)
    assert first["model"] < 0.15 and not compared(target(value=0.9), same, weights, 20)["within_2"]
    none = compared(target(), np.full(2000, np.nan), weights, 20)
    assert none["z"] is None and none["runs"] == 0


def test_a_share_that_all_of_few_patients_have_is_held_with_doubt():
    """Thirty of thirty is no certainty: 97 % observed in as good as everybody is no miss."""
    row = compared(target(value=0.96, n=100_000), np.ones(30), np.ones(10) / 10, 3)
    assert row["model"] == 1.0 and 0.01 < row["simulation_error"] < 0.04 and row["within_2"]


def test_only_patients_count_of_whom_it_is_true():
    among = target(of="dor", above=365.0, among="cr_mrecist")
    row = {"dor": 400.0, "cr_mrecist": True}
    assert patient_value(among, row, {}) == 1.0
    assert np.isnan(patient_value(among, row | {"cr_mrecist": False}, {}))


def test_the_shipped_checks_are_of_the_shipped_posterior(posterior):
    problem = load_problem(FILE, posterior=posterior)
    data = json.loads((CONFIGS / "posteriors" / "default.checks.json").read_text())
    assert data["posterior_digest"] == posterior.digest and data["problem_digest"] == problem.digest
    assert [row["name"] for row in data["checks"]] == [t.name for t in problem.targets]
    assert [row["observed"] for row in data["checks"]] == [t.value for t in problem.targets]
    assert (CONFIGS / "posteriors" / "default.checks.md").read_text() == checks_text(data)
    fitted = {t["name"] for t in posterior.data["targets"]}
    assert not fitted & {t.name for t in problem.targets}


def test_every_member_meets_every_arm(posterior, tmp_path):
    problem, asked = load_problem(FILE, posterior=posterior), []

    def toy(arm, scores, patients, label):
        asked.append((arm, len(scores), len(set(patients))))
        y = np.full((len(scores), len(problem.of_arm(arm))), 0.25)
        return Rows(y, ({"pfs": 1.0},) * len(scores), ("",) * len(scores))

    data = check(problem, posterior, tmp_path, simulate=toy)
    assert asked == [(arm.name, 720, 720) for arm in problem.arms]
    assert all(row["model"] == 0.25 for row in data["checks"])
    assert "Nothing here was fitted" in (tmp_path / "checks.md").read_text()


def test_a_folder_of_something_else_is_refused(posterior, tmp_path):
    problem = load_problem(FILE, posterior=posterior)
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(InputError, match="something else than checks"):
        check(problem, posterior, tmp_path, simulate=lambda *asked: pytest.fail("nothing is to be simulated"))
    with pytest.raises(InputError, match="no folder"):
        check(problem, posterior, tmp_path / "calibration.json", simulate=lambda *asked: pytest.fail("nothing"))


def edited(tmp_path, change):
    text = FILE.read_text().replace('"cohorts/', f'"{CONFIGS}/calibration/cohorts/').replace('"../', f'"{CONFIGS}/')
    text = text.replace('"lenvatinib_recist', f'"{CONFIGS}/calibration/lenvatinib_recist')
    for name in ("one_tace_followed", "single_tace"):
        text = text.replace(f'protocol = "{name}', f'protocol = "{CONFIGS}/calibration/{name}')
    path = tmp_path / "mine.toml"
    path.write_text(change(text))
    return path


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.replace('role = "check"', 'role = "fit"', 1), "nothing is fitted here"),
    (lambda t: t + '\n[[parameter]]\nname = "reach"\n', "those of the posterior"),
    (lambda t: t.replace('"cr_mrecist"', '"cr_mrecst"'), "nothing that is true or not"),
    (lambda t: t.replace('"cr_mrecist"', '"pfs"'), "nothing that is true or not"),
    (lambda t: t.replace("checkmate459", "emerald1_durva"), "withheld"),
])  # fmt: skip
def test_checks_that_are_none_are_refused(tmp_path, posterior, change, words):
    with pytest.raises(InputError, match=words):
        load_problem(edited(tmp_path, change), posterior=posterior)


def test_a_file_of_checks_given_to_a_fit_is_told_what_it_is_for():
    with pytest.raises(InputError, match="--check POSTERIOR"):
        load_problem(FILE)


def test_patients_of_other_hypotheses_are_refused(tmp_path, posterior):
    biology = (CONFIGS / "cohorts" / "biology.toml").read_text().replace('"liver.repair" = "weeks"\n', "")
    (tmp_path / "biology.toml").write_text(biology)
    (tmp_path / "advanced.toml").write_text((CONFIGS / "calibration/cohorts/advanced.toml").read_text().replace(
        "../../cohorts/biology.toml", "biology.toml"))  # fmt: skip
    path = edited(tmp_path, lambda t: t.replace(f'"{CONFIGS}/calibration/cohorts/', f'"{tmp_path}/'))
    with pytest.raises(InputError, match="fitted under"):
        load_problem(path, posterior=posterior)
