"""Prediction files: the format others read, shared runs, and that one is never changed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tme_sim.cohort import load_cohort
from tme_sim.diagnostics import InputError
from tme_sim.fit import predictions
from tme_sim.fit.summaries import ENDPOINTS, Table
from tme_sim.posterior import Posterior, model_digest
from tme_sim.priors import Priors, generator

ROOT = Path(__file__).parents[2]
NAMES = ("emerald1", "leap012", "emerald3", "talentace", "cares005", "tactics", "tace2", "space", "brisk", "oriental",
         "launch", "stah", "lthaic", "britten", "sequences")  # fmt: skip
SMALL = predictions.Settings(draws=4, patients=3, replicates=40)


@pytest.fixture
def posterior():
    priors = Priors(("reach",), np.array([0.3]), np.array([0.05]), np.array([0.8]), np.array([False]))
    return Posterior(priors, np.linspace(-0.5, 2, 8)[:, None], np.ones(8) / 8, "model", "digest", "toy", {
        "targets": [{"name": "hard", "role": "fit", "within_2": False}],
        "hypotheses": load_cohort(ROOT / "configs" / "cohorts" / "emerald1_like.toml").hypotheses})  # fmt: skip


@pytest.fixture
def calls(monkeypatch):
    """Rows without the model: PFS falls with the patient's number, durvalumab doubles it."""
    made = []

    def run(cohort, scenario, vectors, patients, settings, threads=1):
        made.append(scenario.name)
        rng, rows = generator(len(vectors)), []
        factor = 2.0 if "durva" in scenario.name or scenario.name.startswith("order_I") else 1.0
        for number, vector in zip(patients, vectors, strict=True):
            days = float(factor * 200 * vector["reach"] ** 0.3 * rng.exponential())
            one = {"pfs": days, "pfs_event": 1, "ttp": days, "ttp_event": 1, "os": 2 * days, "os_event": 1, "n_tace": 2}
            one |= {f"{k}_{c}": float(days > 300) for k in ("orr", "cr") for c in ("recist11", "mrecist", "recicl")}
            rows.append({"message": "", "summary": one | {"first_pd": "new_intrahepatic"}, "values": {}, "number": number})
        rows[0]["number"] += "durva" in scenario.name  # another patient
        return rows

    monkeypatch.setattr(predictions, "run_redrawn", run)
    return made


@pytest.fixture(scope="module")
def trials():
    return predictions.load_trials(ROOT / "configs" / "predictions.toml")


def test_every_withheld_trial_is_there_and_says_what_was_known(trials):
    assert tuple(trials) == NAMES
    for name in ("brisk", "oriental"):
        assert any("the abstract of this result was seen by the authors before the prediction; not fitted to" in n
                   for n in trials[name].notes)  # fmt: skip
    for trial in trials.values():
        assert (ROOT / "configs" / trial.cohort).exists()
        assert all((ROOT / "configs" / arm.protocol).exists() for arm in trial.arm)


def test_a_prediction_has_the_format_and_uses_runs_twice(trials, posterior, calls, tmp_path):
    given = {"folder": ROOT / "configs", "settings": SMALL, "cache": tmp_path}
    data = predictions.predict("emerald1", trials, posterior, **given)
    assert set(data) == {"trial", "created_by", "cohort", "n_draws", "arms", "contrasts", "notes"}
    assert data["created_by"]["model_digest"] == "model" and data["created_by"]["posterior_digest"] == "digest"
    assert data["n_draws"] == 4
    for arm in ("emerald1_tace", "emerald1_durva", "emerald1_durva_bev"):
        assert set(ENDPOINTS) <= set(data["arms"][arm])
        one = data["arms"][arm]["pfs_median"]
        assert one["unit"] == "month" and one["criterion"] == "recist11"
        low, high = one["ci90"]
        assert low <= one["ci80"][0] <= one["ci50"][0] <= one["median"] <= one["ci50"][1] <= high
    ratio = data["contrasts"]["emerald1_durva vs emerald1_tace"]["pfs_hr"]
    assert ratio["median"] < 1.0 and ratio["probability_below_1"] > 0.8
    assert any("missed" in n or "misses" in n for n in data["notes"])
    others = [n for n in data["notes"] if "are others, as" in n]
    assert others == [f"{arm}: 1 of 12 patients are others, as the first draws could not be given the protocol"
                     for arm in ("emerald1_durva", "emerald1_durva_bev")]  # fmt: skip
    assert json.dumps(data)
    assert predictions.predict("emerald1", trials, posterior, **given) == data
    assert len(calls) == 3  # the second time nothing was simulated


@pytest.mark.parametrize("damage", ["garbage", "", "[1, 2]", "{}"])
def test_a_damaged_file_of_kept_runs_is_made_again(trials, posterior, calls, tmp_path, damage):
    told = []
    given = {"folder": ROOT / "configs", "settings": SMALL, "cache": tmp_path, "announce": told.append}
    data = predictions.predict("emerald1", trials, posterior, **given)
    one = sorted(tmp_path.iterdir())[0]
    whole = one.read_bytes()
    one.write_text(damage)
    assert predictions.predict("emerald1", trials, posterior, **given) == data
    assert len(calls) == 4 and f"{one} is damaged, its runs are made again" in told
    assert one.read_bytes() == whole


def test_a_prediction_says_what_follows_progression_and_keeps_such_runs_apart(trials, posterior, calls, tmp_path):
    given = {"folder": ROOT / "configs", "settings": SMALL, "cache": tmp_path}
    after = ("protocols/after/lenvatinib.toml", "none")
    followed = dict(trials) | {"leap012": trials["leap012"].model_copy(update={"after_progression": after})}
    data = predictions.predict("leap012", followed, posterior, **given)
    assert any("after progression: leap012_tace: Lenvatinib; leap012_len_pembro: none;" in n for n in data["notes"])
    unfollowed = dict(trials) | {"leap012": trials["leap012"].model_copy(update={"after_progression": ("none",)})}
    plain = predictions.predict("leap012", unfollowed, posterior, **given)
    assert any(n.startswith("no therapy after progression;") for n in plain["notes"])
    assert len(calls) == 3 and len(list(tmp_path.iterdir())) == 3  # the arm that nothing can follow is simulated once
    orders = trials["sequences"].model_copy(update={"after_progression": after})
    with pytest.raises(InputError, match="embolisation goes on after progression here, so nothing follows it"):
        predictions.predict_sequences(orders, posterior, folder=ROOT / "configs", settings=SMALL)


def test_times_count_from_entry_where_drugs_lead_in(trials, posterior, calls):
    """As a trial counts: by the first session the same patient would lose the weeks of the lead-in."""
    data = predictions.predict("leap012", trials, posterior, folder=ROOT / "configs", settings=SMALL)
    assert any("lead in (leap012_tace 28 days, leap012_len_pembro 28 days)" in note for note in data["notes"])
    rows = [{"summary": dict.fromkeys(("pfs", "ttp", "os"), 100.0) | {f"{e}_event": 1 for e in ("pfs", "ttp", "os")}
             | {"orr_recist11": 1.0, "cr_recist11": 0.0, "first_pd": "death", "n_tace": 1}}]  # fmt: skip
    assert [Table(rows, [0], "recist11", entry).time["pfs"][0] for entry in (0.0, -28.0)] == [100.0, 128.0]


def test_orders_are_ranked_on_identical_patients(trials, posterior, calls):
    data = predictions.predict_sequences(trials["sequences"], posterior, folder=ROOT / "configs", settings=SMALL)
    assert len(calls) == 6
    for endpoint in ("pfs", "os", "cr", "orr"):
        ranks = data["ranks"][endpoint]
        assert sum(r["mean_rank"] for r in ranks.values()) == pytest.approx(21.0, abs=0.01)
        assert sum(r["probability_best"] for r in ranks.values()) == pytest.approx(1.0, abs=0.01)
    assert data["ranks"]["pfs"]["IAT"]["mean_rank"] < data["ranks"]["pfs"]["TAI"]["mean_rank"]


def test_an_unknown_trial_and_an_arm_without_patients_are_refused(trials, posterior, monkeypatch):
    with pytest.raises(InputError, match='did you mean "emerald1"'):
        predictions.predict("emerld1", trials, posterior, folder=ROOT / "configs", settings=SMALL)
    monkeypatch.setattr(predictions, "run_redrawn", lambda c, s, v, p, settings: [
        {"message": "cannot rest", "summary": {}, "values": {}, "number": 1} for _ in v])  # fmt: skip
    with pytest.raises(InputError, match="no patient could be simulated; the first reason: cannot rest"):
        predictions.predict("lthaic", trials, posterior, folder=ROOT / "configs", settings=SMALL)


def test_patients_must_follow_the_hypotheses_of_the_posterior(trials, posterior, calls):
    other = replace(posterior, data=dict(posterior.data) | {"hypotheses": {"mdsc.amp": "both"}})
    with pytest.raises(InputError, match="follow .*liver.repair = weeks, .* the posterior was fitted under mdsc.amp = both"):
        predictions.predict("emerald1", trials, other, folder=ROOT / "configs", settings=SMALL)
    assert calls == []


def test_the_command_never_changes_a_prediction(tmp_path, calls, monkeypatch, posterior):
    from tme_sim.commands.fit import predict

    monkeypatch.setattr("tme_sim.posterior.load_posterior", lambda path: posterior)
    monkeypatch.chdir(ROOT)
    asked = ["lthaic", "--out", str(tmp_path), "--draws", "4", "--patients", "3"]
    first = CliRunner().invoke(predict, asked)
    assert first.exit_code == 0, first.output
    written = (tmp_path / "lthaic.model.entry.json").read_bytes()
    again = CliRunner().invoke(predict, asked)
    assert again.exit_code == 2 and "never changed" in again.output
    assert (tmp_path / "lthaic.model.entry.json").read_bytes() == written
    wrong = CliRunner().invoke(predict, ["lthai", "--out", str(tmp_path)])
    assert wrong.exit_code == 2 and 'did you mean "lthaic"' in wrong.output
    (tmp_path / "mine.txt").write_text("mine")
    calls.clear()
    file = CliRunner().invoke(predict, ["lthaic", "--out", str(tmp_path / "mine.txt")])
    assert file.exit_code == 2 and "choose another --out" in file.output and not calls
    file = CliRunner().invoke(predict, ["lthaic", "--out", str(tmp_path / "p"), "--cache", str(tmp_path / "mine.txt")])
    assert file.exit_code == 2 and "choose another --cache" in file.output and not calls


def test_a_table_without_trials_is_refused(tmp_path):
    (tmp_path / "none.toml").write_text("schema = 1\n")
    with pytest.raises(InputError, match=r"there is no \[\[trial\]\] in it"):
        predictions.load_trials(tmp_path / "none.toml")


def test_a_prediction_names_its_calibration_and_what_few_runs_cannot_tell(posterior):
    told = replace(posterior, data={**posterior.data, "name": "quick", "title": "a demonstration",
                                    "parameters": [{"fitted": True}, {"fitted": False}]})  # fmt: skip
    notes = predictions._notes(told, predictions.Settings(draws=4, patients=3), 0.1)
    assert notes[0] == "calibration quick (a demonstration): 1 parameter fitted"
    assert "none or all of the runs have, which have no width" in notes[1]


def test_a_prediction_tells_that_its_calibration_has_not_converged(posterior):
    settings = predictions.Settings(draws=4, patients=3)
    against = {"converged": {"all": False, "against": ["samplers disagree on reach: R-hat 1.40, above 1.1"]}}
    doubted = replace(posterior, data={**posterior.data, "diagnostics": against})
    assert any("not converged: samplers disagree on reach" in n for n in predictions._notes(doubted, settings, 0.1))
    assert not any("converged" in n for n in predictions._notes(posterior, settings, 0.1))


def test_predictions_are_never_changed():
    """They are written down before the outcomes are compared; `sha256sum -c SHA256SUMS` says the same."""
    import hashlib

    folder = ROOT / "experiments" / "predictions"
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    told = {name: digest for digest, name in (line.split("  ") for line in lines)}
    now = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.json")}
    assert now == told, "a new file needs its line: sha256sum *.json > SHA256SUMS; an old one never changes"
    assert len(told) % 15 == 0


def test_shipped_predictions_are_of_the_shipped_posterior_or_older():
    """Whatever stands in the folder has the format; names begin with the trial."""
    for path in (ROOT / "experiments" / "predictions").glob("*.json"):
        data = json.loads(path.read_text())
        name = f"{data['trial']}.{data['created_by']['model_digest']}"
        counted = path.name == f"{name}.{predictions.COUNTED}.json"
        assert counted or path.name == f"{name}.json"
        told = any(note.startswith("times count from entry") for note in data["notes"])
        assert counted == told or data["trial"] == "sequences"  # whose orders all begin on day 0
        assert data["trial"] in NAMES and data["arms"] and data["notes"]
    assert len(model_digest()) == 16
