"""Rows of many plans are those of each plan alone, in order; a plan that fails costs its own row only."""

from dataclasses import replace

import pytest
from limits.full_model import dose, tace

from tme_sim.engine.batch import zeros_throughout
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.ensemble import BAD_INPUT, FAILED, OK, run_rows
from tme_sim.mechanisms.registry import all_mechanisms
from tme_sim.plan import Plan
from tme_sim.simulation import run_plan, set_up
from tme_sim.therapies.library import Library


def plan(*entries, **changes):
    library = Library()
    drugs = {library.get(e.data["drug"]).slot: (library.get(e.data["drug"]), {}) for e in entries if e.kind == "drug"}
    return Plan(all_mechanisms(), [{}], entries=entries, drugs=drugs, stop=100 * TICKS_PER_DAY, **changes)


PLANS = (
    plan(tace(0)),
    plan(tace(0), dose("durvalumab", 7, 1500.0), chance="drawn", patient=3),
    plan(),
    replace(plan(tace(0), tace(40)), lesions=[{"diameter": 80.0}]),
    plan(tace(0), values={"death_other": 0.1}),
)


def same(a, b):
    return list(a) == list(b) and all(a[n] == b[n] or (a[n] != a[n] and b[n] != b[n]) for n in a)


def test_rows_equal_lone_runs_bit_for_bit_whatever_the_batch():
    rows = run_rows(PLANS, threads=2)
    assert [r.status for r in rows] == [OK] * len(PLANS)
    for row, one in zip(rows, PLANS, strict=True):
        assert same(row.summary, run_plan(one).endpoints)
    turned = run_rows(PLANS[::-1], threads=1)[::-1]
    assert all(same(a.summary, b.summary) for a, b in zip(rows, turned, strict=True))
    assert rows[4].summary["os"] < 10 < rows[0].summary["os"] == 100.0
    assert rows[3].summary["n_tace"] == 2 and rows[2].summary["n_tace"] == 0


def test_what_is_not_given_is_left_out_of_the_lanes_and_changes_no_bit():
    one = set_up(PLANS[1])
    _, places, values = one.jumps.arrays()
    zeros = zeros_throughout(one.y0[None], one.u0[None], places, values[None])
    held = {one.model.state_names[i] for i in one.model.lanes(*zeros).states}
    assert {"pd1_central", "depot_fast.1"} <= held and not held & {"tki_central", "trap_deep", "chemo_clock", "pd1_depot"}
    assert {one.model.state_names[i] for i in one.model.lanes().states} == set(one.model.state_names) > held
    plans = [replace(PLANS[1], patient=p, values={"k_DAMP": 1.0 + 0.01 * p}) for p in range(64)]
    for row, alone in list(zip(run_rows(plans), plans, strict=True))[::9]:
        assert row.status == OK and same(row.summary, run_plan(alone).endpoints)


def test_a_bad_row_is_alone():
    bad = plan(tace(0), values={"cell_loss_factor": 0.01})
    bad = replace(bad, lesions=[{"cell_loss_factor": 0.01}])
    told = []
    rows = run_rows([PLANS[0], bad, plan(tace(0), max_steps=15), PLANS[2]], announce=told.append)
    assert [r.status for r in rows] == [OK, BAD_INPUT, FAILED, OK]
    assert "cannot rest" in rows[1].message and "step limit" in rows[2].message and rows[1].summary == {}
    assert told[-1] == "4 of 4 rows done"


def test_draws_belong_to_the_patient():
    risky = {"death_other": 0.01}
    days = [r.summary["os"] for r in run_rows([plan(values=risky, chance="drawn", patient=p) for p in range(60)])]
    assert len({d for d in days if d < 100.0}) > 20
    died = sum(d < 100.0 for d in days) / 60
    assert died == pytest.approx(1 - 2.718281828 ** -1.0, abs=4 * (0.63 * 0.37 / 60) ** 0.5)  # four standard errors


def test_a_run_until_death_knows_the_same_of_the_patient_but_for_landmarks_after_it():
    plans = [replace(one, chance="drawn", patient=p, values={"death_other": 0.02})
             for p, one in enumerate(PLANS[:4] * 20)]  # enough for lanes
    to_the_end, until = (run_rows(plans, until_death=until) for until in (False, True))
    assert 20 < sum(row.summary["os_event"] for row in until) < 80
    for whole, short in zip(to_the_end, until, strict=True):
        assert short.status == OK and short.message == ""
        for name, value in whole.summary.items():
            _, _, day = name.partition("_d")
            if day.isdigit() and short.summary["os"] + 7 <= int(day):
                assert short.summary[name] != short.summary[name], name
            elif not day.isdigit() or short.summary["os"] >= int(day):
                assert repr(short.summary[name]) == repr(value), name
    few = [row.summary for row in run_rows(plans[:4], until_death=True)]  # one by one
    assert all(same(a, b.summary) for a, b in zip(few, until, strict=False))


def test_an_integration_that_fails_after_death_still_tells_of_the_patient():
    steps = run_plan(plan(tace(0))).stats["steps"]
    short = {"max_steps": int(0.8 * steps)}
    lives, dies = run_rows([plan(tace(0), **short), plan(tace(0), values={"death_other": 0.3}, **short)])
    assert lives.status == FAILED and dies.status == OK and dies.message.startswith("after death, ")
    assert dies.summary["os"] < 3.0 and dies.summary["first_pd"] == "death" and dies.summary["n_tace"] == 1
