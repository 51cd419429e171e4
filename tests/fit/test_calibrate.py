"""The whole calibration on a model that is known: choice, recovery, board, refusals and going on after a stop."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.fit.calibrate import calibrate, tempered
from tme_sim.fit.checks import converged
from tme_sim.fit.choose import choose
from tme_sim.fit.design import Rows
from tme_sim.fit.emulator import fit_emulator
from tme_sim.fit.report import report_text
from tme_sim.fit.sampler import effective_size
from tme_sim.fit.targets import ArmTable, FitProblem, Settings, Target, patient_value
from tme_sim.posterior import load_posterior, model_digest, posterior_text
from tme_sim.priors import Priors, generator

K = 6
SLOPES = np.zeros((3, K))
SLOPES[0, 0], SLOPES[1, 1], SLOPES[2, [0, 2]] = 1.2, -1.0, (0.4, 0.8)


def share(z, target):
    return 1 / (1 + np.exp(-(np.atleast_2d(z) @ SLOPES[target])))


def problem_for(truth, *, role="fit", **settings) -> FitProblem:
    arm = ArmTable(name="arm", cohort="none.toml", protocol="none.toml")
    targets = tuple(
        Target(name=f"t{i}", order=1, arm="arm", statistic="share", of=f"e{i}", value=float(share(truth, i)[0]), n=2000,
               discrepancy=0.0, source="toy", grade="assumed", role=role if i == 2 else "fit")
        for i in range(3)
    )  # fmt: skip
    k = len(truth)
    priors = Priors(tuple(f"p{i}" for i in range(k)), np.ones(k), np.full(k, 0.2), np.full(k, 5.0), np.ones(k, bool))
    size = {"pairs": 400, "later": 200, "draws": 40, "patients": 4, "particles": 400, "chains": 2,
            "recoveries": 12} | settings
    return FitProblem("toy", "", Settings(**size), (arm,), targets, priors, ("1",) * k, Path("."), sources={})


def toy(arm, scores, patients, label):
    rng = generator(int(patients[0]) + 17)
    y = np.array([(rng.random(3) < [share(z, i)[0] for i in range(3)]).astype(float) for z in scores])
    return Rows(y, ({"e0": 1.0},) * len(scores), ("",) * len(scores))


def test_parameters_are_recovered_and_the_uninformed_keep_their_priors():
    truth = np.array([0.9, -0.8, 0.5, 0.0, 0.0, 0.0])
    result = calibrate(problem_for(truth), simulate=toy)
    assert set(result.choice.places[:3]) == {0, 1, 2}
    for place in (0, 1, 2):
        scores = result.sample.scores[:, result.choice.places.index(place)]
        assert abs(scores.mean() - truth[place]) < 2.5 * scores.std()
        assert scores.std() < 0.5
    members = np.array(result.data["members"]["scores"])
    rest = [i for i in range(K) if i not in result.choice.places]
    assert 0.7 < members[:, rest].std() < 1.1  # not fitted: as wide as their priors
    board = result.data["targets"]
    assert all(row["within_2"] for row in board)
    assert max(result.data["diagnostics"]["r_hat"].values()) < 1.05
    recovery = result.data["diagnostics"]["recovery"]
    assert 0.65 < recovery["held_by_80"] < 0.93
    assert min(recovery["correlation"][f"p{i}"] for i in range(3)) > 0.6


def test_members_of_whom_few_count_are_drawn_anew(monkeypatch):
    """Their runs are among those that the next members are drawn by, and no more often than later waves are allowed."""
    told = []

    def run(arm, scores, patients, label):
        told.append(label)
        return toy(arm, scores, patients, label)

    small = problem_for(np.array([0.9, -0.8, 0.5, 0.0, 0.0, 0.0]), waves=1, recoveries=2)
    first = calibrate(small, simulate=run)
    assert told == ["prior", "later1", "members"] and first.data["size"]["runs"] == 400 + 200 + 160
    monkeypatch.setattr("tme_sim.fit.calibrate.COUNTED", 1.1)  # never enough
    told.clear()
    second = calibrate(small, simulate=run)
    assert told == ["prior", "later1", "members", "members2"] and second.data["size"]["runs"] == 400 + 200 + 2 * 160
    assert first.data["members"] != second.data["members"]


def rows_of(cohort, scenario, vectors, patients, settings, *, threads=None, series=((), ())):
    """Stands for the model: each share follows its parameters."""
    out = []
    for vector, patient in zip(vectors, patients, strict=True):
        z = np.log(list(vector.values())) / (np.log(5.0) / 2.0)
        y = generator(int(patient) + 3).random(3) < [share(z, i)[0] for i in range(3)]
        out.append({"message": "", "summary": {f"e{i}": float(v) for i, v in enumerate(y)}, "values": {},
                    "number": int(patient)})  # fmt: skip
    return out


def on_disk(monkeypatch) -> FitProblem:
    problem = problem_for(np.array([0.9, -0.8, 0.5, 0.0, 0.0, 0.0]), pairs=160, later=64, waves=2, patients=2,
                          particles=100, recoveries=4)  # fmt: skip
    like = SimpleNamespace(digest="same", own={}, hypotheses={}, protocol=SimpleNamespace(followed_by="Sorafenib"))
    monkeypatch.setattr("tme_sim.fit.design.run_redrawn", rows_of)
    monkeypatch.setattr("tme_sim.cohort.running.entry_of", lambda scenario: 0.0)  # the stand-in has no visits
    return replace(problem, cohorts={"none.toml": like}, scenarios={"arm": like}, catalogue=like)


def test_a_fit_that_is_killed_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    """From first run to posterior without a step by hand; SIGKILL in the prior's wave and among the members."""
    monkeypatch.setattr("tme_sim.fit.design.CHUNK", 32)
    problem = on_disk(monkeypatch)
    whole = calibrate(problem, tmp_path / "whole")
    for at in ("prior arm: 64", "members arm: 32"):
        child = os.fork()
        if child == 0:
            calibrate(problem, tmp_path / "cut",
                      announce=lambda text, at=at: os.kill(os.getpid(), signal.SIGKILL) if text.startswith(at) else None)
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        assert not (tmp_path / "cut" / "posterior.json").exists()
    told = []
    calibrate(problem, tmp_path / "cut", announce=told.append)
    assert told and not any(t.startswith("prior") for t in told)  # what was committed is not simulated again
    assert (tmp_path / "cut" / "posterior.json").read_bytes() == (tmp_path / "whole" / "posterior.json").read_bytes()
    told_of = whole.data["diagnostics"]["converged"]
    verdict = "**Converged**" if told_of["all"] else "**Not converged**: " + "; ".join(told_of["against"])
    assert verdict in report_text(whole.data)
    assert "After progression: arm: Sorafenib." in report_text(whole.data)
    told.clear()
    more = replace(problem, settings=problem.settings.model_copy(update={"pairs": 192}))
    calibrate(more, tmp_path / "cut", announce=told.append)
    assert "has changed since" in told[0] and sum("prior" in t for t in told) == 1  # 160 of 192 are there already


def test_a_folder_of_another_fit_is_refused(tmp_path, monkeypatch):
    problem = on_disk(monkeypatch)
    (tmp_path / "calibration.json").write_text('{"name": "other"}')
    with pytest.raises(InputError, match="another file or model"):
        calibrate(problem, tmp_path)
    (tmp_path / "calibration.json").unlink()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no calibration"):
        calibrate(problem, tmp_path)
    with pytest.raises(InputError, match="exists and is no folder"):
        calibrate(problem, tmp_path / "mine.txt")


def test_a_disk_that_is_too_small_for_a_calibration_is_told_before_it(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from tme_sim.commands.fit import calibrate as command
    from tme_sim.study import expected

    asked = [str(Path(__file__).parents[2] / "configs" / "calibration" / "default.toml"), "--out", str(tmp_path / "f"), "--dry"]
    assert "warning" not in CliRunner().invoke(command, asked).output
    monkeypatch.setattr(expected, "_free", lambda path: 20_000)
    told = CliRunner().invoke(command, asked).output
    assert f"will be written to {tmp_path / 'f'}, but only 20 kB are free: free some space" in told


def test_convergence_tells_each_reason_against_it():
    good = {"held_by_80": 0.8}
    assert converged({"a": 1.01}, {"members": 40, "effective": 30}, good, [{"t": 0.4}]) == {"all": True, "against": []}
    told = converged({"a": 1.3}, {"members": 40, "effective": 3.0}, {"held_by_80": 0.4}, [{"t": 0.1}, {"t": 4.0}])
    assert not told["all"] and len(told["against"]) == 4
    for word in ("R-hat 1.30", "3.0 of 40", "hold 40 %", "4.0 errors off"):
        assert any(word in reason for reason in told["against"])


def test_what_cannot_be_fitted_is_shown():
    """Targets that pull one parameter both ways: the board tells, and nothing leaves its range."""
    problem = problem_for(np.zeros(K))
    low, high = (t.model_copy(update={"value": v}) for t, v in zip(problem.targets[::2], (0.05, 0.95), strict=True))
    twin = high.model_copy(update={"of": "e0"})

    def same(arm, scores, patients, label):
        rows = toy(arm, scores, patients, label)
        y = rows.y.copy()
        y[:, 2] = y[:, 0]
        return Rows(y, rows.summaries, rows.messages)

    changed = FitProblem(**{**problem.__dict__, "targets": (low, problem.targets[1], twin)})
    result = calibrate(changed, simulate=same)
    told = [row for row in result.data["targets"] if not row["within_2"]]
    assert {row["name"] for row in told} >= {"t0"} or len(told) >= 1
    values = changed.priors.values(np.array(result.data["members"]["scores"]))
    assert values.min() >= 0.2 and values.max() <= 5.0


def test_a_check_is_shown_and_not_fitted():
    truth = np.array([0.0, 0.0, 1.5, 0.0, 0.0, 0.0])
    result = calibrate(problem_for(truth, role="check"), simulate=toy)
    assert result.choice.reduction[2] < 0.2 < result.choice.reduction[0]
    assert result.data["targets"][2]["role"] == "check"


def test_regressions_know_shares_and_their_error():
    rng = generator(4)
    z = rng.standard_normal((600, 4))
    p = 1 / (1 + np.exp(-(0.5 + 0.8 * z[:, 1])))
    one = fit_emulator(z, (rng.random(600) < p).astype(float), logit=True)
    at = np.array([[0.0, -1, 0, 0], [0.0, 0, 0, 0], [0, 1.0, 0, 0]])
    mean, sd = one(at)
    assert (np.abs(mean - 1 / (1 + np.exp(-(0.5 + 0.8 * at[:, 1])))) < 3 * sd).all()
    assert sd.max() < 0.08
    slopes, errors = one.slopes()
    assert slopes[1] > 5 * errors[1] and np.abs(slopes[[0, 2, 3]]).max() < 3 * errors.max()
    line = fit_emulator(z, 2.0 + 0.3 * z[:, 0] + 0.05 * rng.standard_normal(600), logit=False)
    assert line(at[1:2])[0][0] == pytest.approx(2.0, abs=0.02)
    with pytest.raises(ValueError, match="are needed"):
        fit_emulator(z[:20], np.full(20, np.nan), logit=True)


def test_the_choice_follows_information_and_doubts_noisy_slopes():
    slopes = np.array([[0.2, 0.05, 0.0], [0.0, 0.05, 0.01]])
    errors = np.array([[0.01, 0.05, 0.01], [0.01, 0.05, 0.01]])
    choice = choose(slopes, errors, np.array([0.05, 0.05]), most=2, least=0.03)
    assert choice.places == (0,)
    assert choice.reduction[0] == pytest.approx(1 - 1 / (1 + (0.2**2 - 0.01**2) / 0.05**2))


def test_an_arm_that_cannot_be_simulated_is_refused():
    def broken(arm, scores, patients, label):
        n = len(scores)
        return Rows(np.full((n, 3), np.nan), ({},) * n, ("this patient cannot rest before treatment",) * n)

    with pytest.raises(InputError, match="only 0 % of its runs can be done.*cannot rest"):
        calibrate(problem_for(np.zeros(K)), simulate=broken)


def test_nothing_to_learn_is_told():
    def constant(arm, scores, patients, label):
        return Rows(np.ones((len(scores), 3)), ({"e0": 1.0},) * len(scores), ("",) * len(scores))

    with pytest.raises(InputError, match="no target says enough"):
        calibrate(problem_for(np.zeros(K)), simulate=constant)


@pytest.fixture(scope="module")
def text():
    return posterior_text(dict(calibrate(problem_for(np.zeros(K), pairs=100, waves=0), simulate=toy).data))


def test_a_posterior_is_read_back(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    posterior = load_posterior(tmp_path / "p.json")
    assert posterior.scores.shape == (40, K)
    assert posterior.members(9).shape == (9, K)
    with pytest.raises(ValueError, match="at least one member"):
        posterior.members(0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"model_digest": "', '"model_digest": "0', "does not fit the content"),
        ("", "", "is of another model"),
        ('"format": 1', '"format": 2', "reads format 1"),
        ('"members"', '"member"', "it lacks members"),
        ("{", "[", "is no posterior file"),
        ("{", "\0", "json: is a binary file"),
    ],
)
def test_a_posterior_of_another_model_or_changed_by_hand_is_refused(tmp_path, text, monkeypatch, old, new, message):
    (tmp_path / "p.json").write_text(text.replace(old, new, 1) if old else text)
    if not old:
        monkeypatch.setattr("tme_sim.posterior.model_digest", lambda own=None, hypotheses=None: "other")
    with pytest.raises(InputError, match=message):
        load_posterior(tmp_path / "p.json")


def test_what_one_patient_contributes():
    row = {"pfs": 100.0, "pfs_event": 1, "first_pd": "death", "vegf_ratio_d28": 1.5, "orr_recist11": 1, "depth": None}
    base = dict(order=1, arm="a", n=10, source="toy", grade="assumed", value=0.5, name="x")
    after = Target(**base, statistic="after", of="pfs", at="90 day", window="40 day")
    assert patient_value(after, row, {}) == pytest.approx(0.75)
    assert patient_value(after, row | {"pfs_event": 0}, {}) == 1.0
    assert patient_value(Target(**base, statistic="share", of="first_pd", equals="death"), row, {}) == 1.0
    assert patient_value(Target(**base, statistic="share", of="vegf_ratio_d28", above=1.6), row, {}) == 0.0
    log = Target(**base | {"sd": 0.1}, statistic="mean_log", of="vegf_ratio_d28")
    assert patient_value(log, row, {}) == pytest.approx(np.log(1.5))
    large = Target(**base, statistic="share", of="orr_recist11", where={"largest_diameter": (50.0, 200.0)})
    assert np.isnan(patient_value(large, row, {"largest_diameter": 40.0}))
    assert np.isnan(patient_value(Target(**base, statistic="share", of="depth"), row, {}))


def test_weights_are_flattened_only_as_far_as_needed():
    change = np.array([0.0, 0.1, -0.1, 0.05])
    assert tempered(change) == pytest.approx(np.exp(change) / np.exp(change).sum())
    steep = np.linspace(0.0, 30.0, 20)
    weights = tempered(steep)
    assert effective_size(np.log(weights)) == pytest.approx(10.0, abs=0.01)
    assert (np.diff(weights) > 0).all()


def test_the_shipped_posterior_is_whole_and_within_evidence():
    """It loads, or is refused because laws have changed since; members never leave their priors' ranges."""
    path = Path(__file__).parents[2] / "configs" / "posteriors" / "default.json"
    data = json.loads(path.read_text())
    low, high = (np.array([p[k] for p in data["parameters"]]) for k in ("low", "high"))
    centre, log = np.array([p["centre"] for p in data["parameters"]]), np.array([p["log"] for p in data["parameters"]])
    priors = Priors(tuple(p["name"] for p in data["parameters"]), centre, low, high, log)
    bottom, top = priors.bounds()
    scores = np.array(data["members"]["scores"])
    assert (scores >= bottom - 1e-6).all() and (scores <= top + 1e-6).all()
    assert sum(p["fitted"] for p in data["parameters"]) <= 15
    assert posterior_text(data) == path.read_text()
    if data["model_digest"] == model_digest(hypotheses=data.get("hypotheses")):
        assert load_posterior(path).scores.shape == scores.shape
    else:
        with pytest.raises(InputError, match="is of another model"):
            load_posterior(path)


def test_a_model_under_a_hypothesis_is_another_model():
    plain = model_digest()
    assert model_digest(hypotheses={"tace.reach": "default"}) == plain == model_digest(hypotheses={})
    ways = [{"tace.reach": "drawn"}, {"liver.repair": "weeks"}, {"tace.reach": "drawn", "liver.repair": "weeks"}]
    assert len({plain, *(model_digest(hypotheses=way) for way in ways)}) == 4
    assert model_digest(hypotheses=dict(reversed(ways[2].items()))) == model_digest(hypotheses=ways[2])
    with pytest.raises(KeyError):
        model_digest(hypotheses={"tace.reach": "gone"})
