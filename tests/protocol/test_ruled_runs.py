"""Protocols that decide, on the whole model: single runs, batches, what scans told, and fixed calendars beside them."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.ensemble import run_rows
from tme_sim.plan import plan_of
from tme_sim.scenario import Scenario
from tme_sim.simulation import run_plan

pytestmark = pytest.mark.timeout(900)  # the first test of a fresh machine compiles the network
CONFIGS = Path(__file__).parents[2] / "configs"
PATIENT = '[[patient.lesion]]\nname = "main"\ndiameter = "{size} mm"\ndoubling_time = "{doubling} day"\n'


def scenario(name, size=60, doubling=90, days=365):
    text = PATIENT.format(size=size, doubling=doubling) + f'[protocol]\nfile = "protocols/{name}.toml"\n'
    return Scenario.from_text(text + f'[run]\nduration = "{days} day"\n', str(CONFIGS / "scenario"))


@lru_cache
def run(name, **patient):
    return run_plan(plan_of(scenario(name, **patient)))


def days(outcome, **chosen):
    return [e["day"] for e in outcome.events if all(e.get(k) == v for k, v in chosen.items())]


def test_emerald1_as_published():
    found = run("emerald1_durva_bev")
    sessions, bev = days(found, kind="tace"), days(found, kind="drug", drug="bevacizumab")
    assert 1 <= len(sessions) <= 4 and sessions[0] == 0 and sessions[-1] <= 112
    assert all(b - a >= 28 for a, b in zip(sessions, sessions[1:], strict=False))
    first = days(found, kind="drug", treatment="durvalumab with TACE")
    assert first[0] == 7 and set(np.diff(first)) <= {28}
    if bev:
        assert bev[0] >= max(first[-1], sessions[-1] + 14) and bev == days(found, treatment="durvalumab maintenance", kind="drug")


@pytest.mark.parametrize("name", ["leap012_len_pembro", "tactics"])
def test_tablets_are_off_around_every_session(name):
    found = run(name)
    drug = "lenvatinib" if name.startswith("leap") else "sorafenib"
    sessions, tablets = days(found, kind="tace"), days(found, kind="drug", drug=drug)
    assert sessions and tablets
    assert not [d for d in tablets for s in sessions if s - 2 <= d < s + 3]
    assert found.series("tki_plasma").max() > 0


def test_a_treatment_ends_at_the_scan_whose_reading_ends_it():
    found = run("checkmate459", doubling=40)
    told = [e["day"] for e in found.events if e["kind"] == "scan" and e.get("recist11") == "PD"]
    ended = {e["treatment"]: e["day"] for e in found.events if e.get("what") == "ended" and e["reason"] == "progression"}
    assert told and ended["nivolumab"] == told[0] and days(found, kind="drug")[-1] < told[0]


@pytest.mark.parametrize(("size", "until", "day"), [(60, "resectable", 1), (110, "not resectable", 28)])
def test_a_rule_reads_whether_a_surgeon_could_operate_as_the_endpoint_does(size, until, day):
    text = PATIENT.format(size=size, doubling=40) + '[[protocol.scan]]\nstart = "day 0"\nevery = "28 day"\n'
    text += '[[protocol.treatment]]\ndrug = "durvalumab"\ndose = "1500 mg"\nevery = "7 day"\nstart = "day 1"\n'
    text += f'until = "{until}"\n[run]\nduration = "60 day"\n'
    found = run_plan(plan_of(Scenario.from_text(text, "p.toml")))
    assert found.endpoints["resectable_day"] == 0  # at entry; the growing one no longer on day 28
    assert [(e["day"], e["reason"]) for e in found.events if e.get("what") == "ended"] == [(day, until)]


def test_a_batch_decides_as_single_runs_do():
    plans = [plan_of(scenario(n, s, d)) for n in ("emerald1_durva_bev", "emerald1_tace") for s, d in ((60, 90), (25, 400))]
    plans.append(plan_of(scenario("emerald1_fixed")))
    rows = run_rows(plans, threads=1)
    for plan, row in zip(plans, rows, strict=True):
        alone = run_plan(plan).endpoints
        assert row.status == "ok", row.message
        same = {k: alone[k] == row.summary[k] or alone[k] != alone[k] for k in alone}
        assert all(same.values()), [k for k, v in same.items() if not v]
    assert len({row.summary["n_tace"] for row in rows}) > 1


def test_a_rule_that_never_acts_changes_nothing():
    fixed = scenario("emerald1_fixed")
    text = (CONFIGS / "protocols/emerald1_fixed.toml").read_text()
    text = text.replace('kind = "tace"', 'kind = "tace"\nrule = [{ when = "child-pugh above 14", then = "skip" }]')
    text = text.replace('until = "day 731"', 'until = "sessions at least 50"')
    text = text.replace("[[treatment]]", "[[protocol.treatment]]").replace("[[scan]]", "[[protocol.scan]]")
    head = PATIENT.format(size=60, doubling=90) + '[run]\nduration = "365 day"\n'
    with pytest.raises(InputError, match="is never reached"):
        Scenario.from_text(head + text[text.index("[[protocol"):], str(CONFIGS / "scenario"))
    text = text.replace("sessions at least 50", "bilirubin above 900 umol/L").replace(
        '"14 day after last tace"', '"day 42"')
    ruled = Scenario.from_text(head + text[text.index("[[protocol"):], str(CONFIGS / "scenario"))
    assert ruled.calendar.ruled and not fixed.calendar.ruled
    a, b = run_plan(plan_of(fixed)), run_plan(plan_of(ruled))
    for kind in ("tace", "drug"):
        assert days(a, kind=kind) == days(b, kind=kind)
    for state in ("lesion_volume", "trap_central", "MDSC"):
        assert b.series(state) == pytest.approx(a.series(state), rel=2e-3, abs=1e-6)


def test_folfox_by_the_hepatic_artery_fills_two_slots():
    found = run("li2022_haic", size=90)
    assert found.series("chemo_kill").max() > 0 and found.series("chemo2_kill").max() > 0
    assert {e["slot"] for e in found.events if e["kind"] == "drug"} == {"chemo", "chemo2"}
    assert found.series("lesion_volume")[-1] < 0.7 * run("untreated", size=90).series("lesion_volume")[-1]


def test_a_radiated_lesion_shrinks_and_its_scans_see_it():
    found = run("sbrt", size=40)
    assert found.series("lesion_volume")[-1] < 0.5 * run("untreated", size=40).series("lesion_volume")[-1]
    assert found.endpoints["n_tace"] == 0 and found.endpoints["best_response_mrecist"] in ("PR", "CR")


@pytest.mark.parametrize("criterion", ["recist11", "mrecist", "recicl"])
@pytest.mark.parametrize(
    ("reading", "endpoint"),
    [
        ("best response by {}", lambda e, c: e[f"orr_{c}"]),
        ("best complete response by {}", lambda e, c: e[f"cr_{c}"]),
        ("progression by {}", lambda e, c: any(e[f"{b}_{c}"] for b in ("cr", "pr", "sd", "pd")) and e["ttp_event"]),
        ("existing intrahepatic progression by {}", lambda e, c: e["first_pd"] == "existing_intrahepatic"),
        ("extrahepatic progression by {}", lambda e, c: e["first_pd"] == "extrahepatic"),
        ("tace progression", lambda e, c: e["tace_pfs_event"]),
        ("untaceable", lambda e, c: e["untaceable_event"]),
    ],
)  # fmt: skip
def test_a_reading_acts_when_its_endpoint_says_so(reading, endpoint, criterion):
    until = reading.format(criterion)
    text = PATIENT.format(size=50, doubling=50) + '[[protocol.scan]]\nstart = "day 0"\nevery = "28 day"\n'
    text += '[[protocol.treatment]]\nkind = "tace"\nstart = "day 0"\ndrug_load = "50 mg"\n'
    text += f'[[protocol.treatment]]\ndrug = "durvalumab"\ndose = "1500 mg"\nevery = "7 day"\nstart = "day 1"\nuntil = "{until}"\n'
    text += f'[imaging]\ncriterion = "{criterion}"\n[run]\nduration = "300 day"\n'
    found = run_plan(plan_of(Scenario.from_text(text, "p.toml")))
    ended = [e for e in found.events if e.get("what") == "ended"]
    assert len(ended) == bool(endpoint(found.endpoints, criterion)), (ended, found.endpoints["first_pd"])
    for event in ended:
        scan = next(e for e in found.events if e["kind"] == "scan" and e["day"] == event["day"])
        expected = {"best response": "PR", "progression": "PD", "existing": "PD"}
        assert scan[criterion] == next((v for k, v in expected.items() if until.startswith(k)), scan[criterion])


@pytest.mark.parametrize("name", ["emerald1_durva_bev", "tace_only"])
def test_events_of_one_minute_are_told_as_they_happened(name):
    """A scan sees what was before the session of its minute, and drugs follow the session."""
    rank = {"scan": 0, "planning": 0, "visit": 0, "decision": 1, "tace": 2, "drug": 3}
    told = [(e["tick"], rank[e["kind"]]) for e in run(name).events]
    assert told == sorted(told) and told.count((0, 0)) == told.count((0, 2)) == 1
