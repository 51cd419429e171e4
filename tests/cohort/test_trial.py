"""Virtual trials: identical patients in every arm, follow-up as a trial has it, chunks that survive a stop."""

import json
import re
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from few_lesions import cohort_of_one

from tme_sim.cohort import load_trial, run_trial
from tme_sim.cohort.running import _ahead, _ready, follow_up_days
from tme_sim.cohort.summary import summarise
from tme_sim.diagnostics import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
TEXT = f"""
schema = 1
name = "small"
cohort = "one_lesion.toml"
n = 8
seed = 3
duration = "240 day"
[[arm]]
protocol = "{CONFIGS}/protocols/untreated.toml"
[[arm]]
protocol = "{CONFIGS}/protocols/tace_only.toml"
[[visit]]
every = "8 weeks"
[follow_up]
accrual = "3 months"
cut_off = "9 months"
dropout = "0.05 1/month"
"""


def written(folder, text=TEXT, **changes):
    for old, new in changes.items():
        assert old.replace("__", " = ") in text
        text = text.replace(old.replace("__", " = "), new)
    cohort_of_one(folder)
    path = Path(folder) / "small.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    return run_trial(load_trial(written(folder)), out=folder / "out", jobs=1, chunk=3), folder


def test_every_arm_has_the_same_patients(result):
    done, _ = result
    assert done.arms == ["untreated", "tace_only"]
    numbers = [[r["patient"] for r in done.rows[a]] for a in done.arms]
    assert numbers[0] == numbers[1] == [p.number for p in done.patients]
    assert len(numbers[0]) + len({f["patient"] for f in done.failures}) == 8


def test_a_trial_follows_a_calibration_and_says_so(tmp_path):
    from tme_sim.cohort.folder import write_trial
    from tme_sim.cohort.summary import summarise

    path = written(tmp_path)
    plain, fitted = load_trial(path, n=4), load_trial(path, n=4, posterior=CONFIGS / "posteriors/default.json")
    assert plain.posterior is None and plain.digest != fitted.digest
    done = run_trial(fitted, out=tmp_path / "out", jobs=1)
    assert [v["member"] for v in done.values] == [p.changes["posterior.member"] for p in done.patients]
    write_trial(tmp_path / "out", done, summarise(done))
    about = json.loads((tmp_path / "out/trial.json").read_text())
    assert about["posterior"] == {"name": "default", "digest": fitted.posterior.digest, "members": 120}
    inside = path.read_text().replace("seed = 3", f'seed = 3\nposterior = "{CONFIGS}/posteriors/default.json"')
    (tmp_path / "inside.toml").write_text(inside)
    assert load_trial(tmp_path / "inside.toml", n=4).digest == fitted.digest


def test_a_calibration_under_other_hypotheses_is_refused(tmp_path):
    path = written(tmp_path)
    biology = tmp_path / "biology.toml"
    text, changed = re.subn(r"\[hypotheses\]\n.*?(?=\n\[|\Z)", "", biology.read_text(), flags=re.S)
    assert changed == 1
    biology.write_text(text)
    with pytest.raises(InputError, match="follow no hypothesis, the posterior was fitted under .*liver.repair = weeks"):
        load_trial(path, posterior=CONFIGS / "posteriors/default.json")


@pytest.mark.parametrize("apart", [False, True])
def test_plans_are_made_in_their_order_and_at_most_one_ahead(apart):
    made = []
    making = [lambda i=i: made.append(i) or [str(i)] for i in range(5)]
    for i, plans in enumerate(_ahead(making, apart)):
        assert plans == [str(i)] and made[: i + 1] == list(range(i + 1)) and len(made) <= i + 2
    assert made == [0, 1, 2, 3, 4] and list(_ahead([], apart)) == []


def test_plans_that_nobody_waits_for_are_cut_short(result):
    done, _ = result
    stop, seen = Event(), []
    made = _ready(done.trial.arms[0], done.patients[:2], lambda plan: seen.append(plan) or "set up", stop)
    assert [plan for plan, _ in made] == seen and [one for _, one in made] == ["set up"] * 2
    stop.set()
    assert _ready(done.trial.arms[0], done.patients[:2], lambda plan: None, stop) == []


def test_a_patient_who_cannot_be_set_up_costs_his_own_row_alone(result):
    done, _ = result

    def refuse_the_first(plan):
        if plan.patient == done.patients[0].number:
            raise KeyError("no such place")
        return "set up"

    made = _ready(done.trial.arms[0], done.patients[:2], refuse_the_first, Event())
    assert made[0] == "'no such place'" and made[1][1] == "set up"


def test_arms_differ_by_treatment_alone(result):
    done, _ = result
    treated, untreated = (done.column(arm, "burden_d90") for arm in ("tace_only", "untreated"))
    alive = ~np.isnan(treated) & ~np.isnan(untreated)
    assert alive.sum() >= 6 and (treated < untreated)[alive].all()
    assert set(done.column("untreated", "n_tace")) == {0}


def test_arms_that_share_their_patients_differ_by_far_less_than_arms_of_other_patients(tmp_path):
    """The variance of the difference falls at least fivefold against arms drawn on their own (D3)."""
    text = TEXT.replace("protocols/untreated.toml", "protocols/emerald1_fixed.toml").replace("n = 8", "n = 30")
    done = run_trial(load_trial(written(tmp_path, text)), jobs=1)
    for endpoint in ("pfs", "os", "albi_d90"):
        one, other = (done.column(arm, endpoint) for arm in done.arms)
        seen = ~np.isnan(one) & ~np.isnan(other)
        own, apart = np.var((one - other)[seen]), np.var(one[seen]) + np.var(other[seen])
        assert seen.sum() >= 25 and 0.0 < own < apart / 5.0, endpoint


def test_rows_are_those_of_the_patient_alone(result):
    from tme_sim.ensemble import run_rows
    from tme_sim.plan import plan_of

    done, _ = result
    arm = done.trial.arms[1]
    alone = run_rows([plan_of(arm.scenario.changed(done.patients[2].changes))], threads=1)[0]
    row = {k: v for k, v in done.rows[arm.name][2].items() if k not in ("patient", "repeat")}
    assert json.dumps(row) == json.dumps(alone.summary)


def test_nothing_after_follow_up_is_seen(result):
    done, _ = result
    for arm in done.arms:
        for endpoint in ("pfs", "os", "ttp"):
            time, event = done.seen(arm, endpoint)
            whole = done.column(arm, endpoint)
            assert (time <= np.maximum(done.follow_up, 0) + 1e-9).all()
            assert (event <= done.column(arm, f"{endpoint}_event").astype(bool)).all()
            assert (time[event] == whole[event]).all()
        late = done.column(arm, "pfs_event").astype(bool) & (done.column(arm, "pfs") > done.follow_up)
        assert not done.seen(arm, "pfs")[1][late].any()


def test_follow_up_is_the_patients_own(result):
    done, _ = result
    days = follow_up_days(done.trial, list(range(200)))
    assert (days == follow_up_days(done.trial, list(range(200)))).all()
    assert days.max() <= 9 * 30.4375 and days.min() > 0
    assert ((days > 6 * 30.4375).mean()) > 0.5  # most are lost to neither before the youngest is closed


def test_stopped_trial_goes_on_with_its_chunks(result):
    done, folder = result
    chunks = sorted((folder / "out" / "chunks").glob("*.json"))
    assert len(chunks) == 6
    chunks[0].unlink()
    chunks[3].write_text(chunks[3].read_text()[:50])  # cut by a full disk of another program
    told = []
    again = run_trial(load_trial(written(folder)), out=folder / "out", jobs=1, chunk=3, announce=told.append)
    assert again.simulated == 6
    assert json.dumps(again.rows) == json.dumps(done.rows)  # columns of the tables stand in the order of before
    assert any("simulated again: 1 of 6 chunks" in line for line in told)


@pytest.mark.parametrize("damage", [
    lambda text: text[:50],
    lambda text: re.sub(r'"pfs": [0-9.]+', '"pfs": -5.0', text),
    lambda text: text.replace('"summary"', '"sumary"'),
    lambda text: "[]",
    lambda text: "",
])  # fmt: skip
def test_a_chunk_that_is_not_as_it_was_written_is_simulated_again(result, damage):
    done, folder = result
    first = min((folder / "out" / "chunks").glob("*.json"))
    first.write_text(damage(first.read_text()))
    again = run_trial(load_trial(written(folder)), out=folder / "out", jobs=1, chunk=3)
    assert again.simulated == 3
    assert json.dumps(again.rows) == json.dumps(done.rows)


def test_trials_count_from_entry_where_drugs_lead_in(result):
    done, _ = result
    first, second = done.arms
    times = ("os", "pfs", "ttp", "tace_pfs", "untaceable", "resectable_day", "resectable_until")
    early = [{**row, **{name: row[name] - 21.0 for name in times}} for row in done.rows[second]]
    lead_in = replace(
        done, rows={**done.rows, second: early}, visits={**done.visits, second: done.visits[second] - 21.0}
    )
    assert (lead_in.begin(first), lead_in.begin(second)) == (0.0, -21.0)
    for endpoint in ("os", "pfs", "ttp"):
        for one, other in zip(lead_in.seen(second, endpoint), done.seen(second, endpoint), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)
        np.testing.assert_allclose(
            lead_in.gains(first, second, endpoint), done.gains(first, second, endpoint), atol=1e-9
        )
    of = f"{second} vs {first}"
    told, before = (summarise(one)["contrasts"][of]["pfs_hr"] for one in (lead_in, done))
    assert told == pytest.approx(before)


def test_who_lives_to_the_end_gains_nothing_by_a_lead_in(result):
    done, _ = result
    first, second = done.arms
    alive = [{**row, "os": 240.0, "os_event": 0} for row in done.rows[first]]
    visits = {first: done.visits[first], second: done.visits[second] - 21.0}
    assert not replace(done, rows={first: alive, second: alive}, visits=visits).gains(first, second, "os").any()


def test_arms_are_looked_at_alike_from_their_own_beginning(tmp_path):
    from tme_sim.observe import visit_ticks
    from tme_sim.plan import plan_of

    trial = load_trial(written(tmp_path, **{"tace_only.toml": "tactics.toml"}))
    days = [visit_ticks(plan_of(arm.scenario)) / 1440 for arm in trial.arms]
    assert days[0][0] == 0.0 and days[1][0] == -21.0
    np.testing.assert_array_equal(days[1][:4] + 21.0, days[0][:4])


def test_death_in_a_lead_in_is_told_and_stops_no_trial(tmp_path):
    trial = load_trial(written(tmp_path, **{"tace_only.toml": "tactics.toml"}))
    done = run_trial(trial, jobs=1)
    arm = done.arms[1]
    early = {"os": -5.5, "os_event": 1, "pfs": -5.5, "pfs_event": 1, "first_pd": "death", "ttp": -21.0, "ttp_event": 0}
    who = int(np.argmax(done.follow_up))
    rows = list(done.rows[arm])
    rows[who] = {**rows[who], **early}
    dead = replace(done, rows={**done.rows, arm: rows})
    for endpoint, told in (("os", (15.5, True)), ("pfs", (15.5, True)), ("ttp", (0.0, False))):
        assert tuple(a[who] for a in dead.seen(arm, endpoint)) == told
    assert summarise(dead)["arms"][arm]["os_events"] >= 1


def test_folder_of_another_trial_is_refused(result, tmp_path):
    _, folder = result
    other = load_trial(written(tmp_path, seed__3="seed = 4"))
    for path in (folder / "out" / "chunks").glob("*.json"):
        (tmp_path / "chunks").mkdir(exist_ok=True)
        (tmp_path / "chunks" / path.name).write_text(path.read_text()[:1500])  # damaged, and of the other trial still
    for out in (folder / "out", tmp_path):
        with pytest.raises(InputError, match="another trial"):
            run_trial(other, out=out, jobs=1)


@pytest.mark.parametrize(("changes", "words"), [
    ({"n__8": "n = 0"}, "at least 1"),
    ({'duration__"240 day"': 'duration = "-3 day"'}, "must be above 0"),
    ({'cut_off__"9 months"': 'cut_off = "-9 months"'}, "must be above 0"),
    ({"tace_only.toml": "tace_onyl.toml"}, "did you mean"),
    ({'dropout__"0.05 1/month"': 'drop_out = "0.05 1/month"'}, 'did you mean "dropout"'),
    ({"one_lesion.toml": "no_lesion.toml"}, "no such file"),
    ({"[[visit]]": "[parameters]\nf_spec = 0.1\n[[visit]]"}, "drawn for each patient"),
    ({"tace_only.toml": "untreated.toml"}, "two arms are named"),
])  # fmt: skip
def test_bad_trials_are_refused_with_file_and_key(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        load_trial(written(tmp_path, **changes))


@pytest.mark.parametrize("changes", [
    {'every__"8 weeks"': 'every = "8 weeks"\nstart = "day 2000"'}, {'duration__"240 day"': 'duration = "3 day"'},
])  # fmt: skip
def test_a_trial_that_sees_nobody_again_is_refused_at_once(tmp_path, changes):
    with pytest.raises(InputError, match="no visit after the first"):
        run_trial(load_trial(written(tmp_path, **changes)), out=tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()


def test_data_closed_before_the_last_patient_enters_are_refused(tmp_path):
    with pytest.raises(InputError, match="closed before"):
        load_trial(written(tmp_path, **{'accrual__"3 months"': 'accrual = "90 months"'}))


def test_arms_follow_the_hypotheses_of_the_cohort_unless_the_trial_chooses(tmp_path):
    plain = load_trial(written(tmp_path))
    of_cohort = plain.cohort.hypotheses
    assert of_cohort["tumour.resorption"] == "front"
    assert all(arm.scenario.biology.hypotheses == of_cohort for arm in plain.arms)
    own = load_trial(written(tmp_path, TEXT + '[biology.hypotheses]\ntace.reach = "default"\n'))
    assert own.arms[0].scenario.biology.hypotheses == of_cohort | {"tace.reach": "default"}
    assert own.digest != plain.digest


def test_therapy_after_progression_leaves_what_came_before_as_it_was(tmp_path):
    """Up to first progression arms are alike; what is left of the tumour later is not.  Where it is "none", words stay."""
    after = f'after_progression = "{CONFIGS}/protocols/after/sorafenib.toml"\n'
    arm = f'[[arm]]\nname = "followed"\nprotocol = "{CONFIGS}/protocols/untreated.toml"\n{after}'
    text = TEXT.replace("tace_only", "untreated").replace('untreated.toml"\n[[visit]]', f'untreated.toml"\nname = "b"\n{arm}[[visit]]')
    text = text.replace("240 day", "400 day").replace("n = 8", "n = 20")
    done = run_trial(load_trial(written(tmp_path, text)), jobs=1)
    plain, followed = (done.rows[arm] for arm in ("b", "followed"))
    assert [r["pfs"] for r in plain] == pytest.approx([r["pfs"] for r in followed], rel=1e-6)
    assert [r["first_pd"] for r in plain] == [r["first_pd"] for r in followed]
    assert done.trial.after_progression == "untreated: none; b: none; followed: Sorafenib"
    early = np.array([bool(r["pfs_event"]) and r["pfs"] < 280 and r["os"] > 365 for r in plain])
    left = [np.array([r["burden_d365"] for r in rows])[early] for rows in (plain, followed)]
    assert len(left[0]) >= 3 and (left[1] < left[0]).all()
    said = load_trial(written(tmp_path, text.replace("seed = 3", after + "seed = 3")))
    assert said.after_progression == "Sorafenib"
    assert load_trial(written(tmp_path, TEXT.replace("seed = 3", 'after_progression = "none; why"\nseed = 3'))).after_progression == "none; why"
    with pytest.raises(InputError, match='"sorafenib" is no therapy after progression'):
        load_trial(written(tmp_path, TEXT.replace("seed = 3", 'after_progression = "sorafenib"\nseed = 3')))


def test_afp_response_counts_those_whose_afp_was_raised_at_entry(result):
    """AFP without tumour cannot fall: patients of the source had more than 20 ng/mL."""
    done, _ = result
    arm = done.arms[1]
    rows = [{**row, "os": 240.0, "os_event": 0, "afp_ratio_d28": 0.5, "afp_ratio_d90": r}
            for row, r in zip(done.rows[arm], (0.1, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), strict=False)]  # fmt: skip
    raised = np.array([100.0, 21.0, *[19.0] * (len(rows) - 2)])
    told = replace(done, rows={**done.rows, arm: rows})
    told.__dict__["at_entry"] = {"afp": raised}  # as the cached property would
    found = summarise(told)["arms"][arm]
    assert found["afp_response_d90"] == 0.5 and found["afp_response_d28"] == 1.0
    assert found["afp_elevated"] == pytest.approx(2 / len(rows))
    told.__dict__["at_entry"] = {"afp": raised * 0.1}
    assert "afp_response_d90" not in summarise(told)["arms"][arm]


def test_markers_of_a_mechanism_that_is_switched_off_are_left_out(tmp_path):
    path = written(tmp_path)
    path.write_text(path.read_text() + '[biology]\noff = ["markers"]\n')
    done = run_trial(load_trial(path, n=2), jobs=1)
    assert "nlr" in done.at_entry and not {"afp", "mdsc_share"} & set(done.at_entry)
    assert not [name for name in summarise(done)["arms"][done.arms[1]] if name.startswith("afp")]
