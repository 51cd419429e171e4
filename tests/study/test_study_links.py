"""Factors that follow from others: values with units at every point, and every mistake told with its line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.study.study_toys import HEAD, MDSC, START, study
from tme_sim.diagnostics import InputError
from tme_sim.study import run_study
from tme_sim.study.expressions import ExpressionError, parse_expression
from tme_sim.study.plan_table import PlanTable
from tme_sim.study.tables import columns_text, unit_of

UNITS = {"start": "day", "gap": "week", "dose": "mg/kg", "weight": "kg", "n": "1"}
INTERNAL = {"start": -28.0, "gap": 14.0, "dose": 5e-6, "weight": 7e7, "n": 2.0}
END = """
[[factor]]
name = "bev_end"
key = "protocol.treatment.bevacizumab.until"
expression = "bev + 6 week"
"""
GAP = """
[[factor]]
name = "gap"
key = "protocol.treatment.durvalumab.start"
relative_to = "first tace"
low = "14 day"
high = "21 day"
levels = 2
"""


@pytest.mark.parametrize(
    ("text", "number", "dimension"),
    [
        ("start + 84 day", 56.0, "time"),
        ("start + gap", -14.0, "time"),
        ("max(start, 0 day)", 0.0, "time"),
        ("2 day*n + start", -24.0, "time"),  # not a unit day*n
        ("84 day-start", 112.0, "time"),
        ("start + .5 month", -28 + 0.5 * 30.4375, "time"),
        ("where(start < 0 day, 1e1 day, start)", 10.0, "time"),
        ("sqrt(start * start)", 28.0, "time"),
        ("gap / 1 week", 2.0, "none"),
        ("0.02 1/day * start", -0.56, "none"),
        ("exp(n) ** 2", math.exp(2.0) ** 2, "none"),
        ("15 mg/kg * weight", 1050.0, "mass"),
        ("(1 day\n + start)", -27.0, "time"),
    ],
)
def test_numbers_have_units_and_what_comes_out_has_one(text, number, dimension):
    found = parse_expression(text, tuple(UNITS), {}, UNITS)
    assert found.number(INTERNAL) == pytest.approx(number, rel=1e-14)
    assert found.dimension == {"time": (1, 0, 0, 0, 0, 0), "none": (0,) * 6, "mass": (0, 0, 1, 0, 0, 0)}[dimension]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start + 84", "adds or compares a time and a plain number; numbers have units, like 84 day"),
        ("start < dose", "adds or compares"),
        ("where(start, 1, 2)", "condition"),
        ("exp(start)", "a time as argument of exp"),
        ("2 ** start", "exponent"),
        ("start ** 0.5", "broken or too high"),
        ("start ** 10", "broken or too high"),
        ("84 dya", 'did you mean "day"?'),
        ("strat + 1 day", '"strat" is no factor that stands above it, did you mean "start"?'),
        ("at(start, 0)", "no function"),
        ("84 if n else 2", "not allowed"),
        ("__import__('os')", "no function"),
        ("84 day day", "is no expression"),
    ],
)
def test_dimensions_that_do_not_agree_are_told(text, said):
    with pytest.raises(ExpressionError) as told:
        parse_expression(text, tuple(UNITS), {}, UNITS)
    assert said in str(told.value)


def test_a_linked_date_moves_with_the_one_it_follows():
    made = study(MDSC + START + END)
    assert len(made) == 4
    ends = [made.changes(p)["protocol.treatment.bevacizumab.until"] for p in made.points()]
    assert ends == ["28 day after first tace", "70 day after first tace"] * 2
    assert made.columns()["bev_end"].tolist() == [28.0, 70.0] * 2
    assert unit_of(made.plan_table, "bev_end") == "day" and "bev + 6 week" in columns_text(made.plan_table, made.columns())
    last = [max(e.tick for e in made.plan(p).entries if e.treatment == "bevacizumab") for p in made.points()[:2]]
    assert last[0] < last[1]
    # the same runs asked for one by one have the same keys
    listed = study(START.replace("levels = 2", "values = ['28 day']").replace('low = "-14 day"\nhigh = "28 day"', "")
                   + '[[factor]]\nname = "end"\nkey = "protocol.treatment.bevacizumab.until"\nrelative_to = "first tace"\n'
                     'values = ["70 day"]\n')  # fmt: skip
    alone = study(START + END)
    assert listed.keys[0] == alone.keys[1] and listed.keys[0] != alone.keys[0]


def test_links_follow_links_and_factors_of_any_unit():
    made = study(START + """
[[factor]]
name = "weight"
key = "patient.weight"
low = "60 kg"
high = "80 kg"
levels = 2
[[factor]]
name = "end"
key = "protocol.treatment.bevacizumab.until"
expression = "bev + 1.5 week * (weight / 40 kg)"
step = "7 day"
[[factor]]
name = "dose"
key = "protocol.treatment.bevacizumab.dose"
expression = "where(end > 30 day, 15 mg/kg, 7.5 mg/kg)"
unit = "mg/kg"
""")
    points = [made.linked(v) for v, _, _ in made.points()]
    assert [p["end"] for p in points] == [0.0, 7.0, 42.0, 49.0]  # -14 + 15.75 and 21, 28 + 15.75 and 21, in whole weeks
    assert [p["dose"] for p in points] == [7.5, 7.5, 15.0, 15.0]
    assert made.changes(made.points()[-1])["protocol.treatment.bevacizumab.dose"] == "15 mg/kg"


def test_linked_columns_are_kept_in_the_store_and_can_be_computed_with(tmp_path):
    made = study(START + END + '[outputs]\nendpoints = ["burden_d28"]\n[[outputs.derived]]\nname = "twice"\n'
                               'expression = "2 * bev_end"\n')  # fmt: skip
    plan = made.plan_table
    again = PlanTable.unpacked(plan.packed(), plan.keys)
    assert again.digest == plan.digest != study(START).plan_table.digest
    assert again.settings == {"bev", "bev_end", "arm", "replicate"}
    with run_study(made, tmp_path / "s", jobs=0) as store:
        table = store.table()
    assert table["bev_end"].tolist() == [28.0, 70.0] and table["twice"].tolist() == [56.0, 140.0]
    assert np.isfinite(table["burden_d28"]).all() and len(set(table["burden_d28"])) == 2


def test_where_no_factor_of_a_link_has_a_value_the_base_stays(tmp_path):
    (tmp_path / "points.csv").write_text("bev,mdsc_death\n,0.03\n14,0.03\n")
    made = study(MDSC + START + END + '[design]\nkind = "list"\nfile = "points.csv"', folder=tmp_path)
    changes = [made.changes(p) for p in made.points()]
    assert "protocol.treatment.bevacizumab.until" not in changes[0]
    assert changes[1]["protocol.treatment.bevacizumab.until"] == "56 day after first tace"
    assert np.isnan(made.columns()["bev_end"][0])


def test_a_start_may_lie_beyond_the_end_of_the_base_when_the_end_follows():
    base = '"protocol.treatment.bevacizumab.start" = "day 1"\n"protocol.treatment.bevacizumab.until" = "day 20"\n'
    assert len(study(START + END, HEAD + base)) == 2
    with pytest.raises(InputError):
        study(START, HEAD + base)


MISTAKES = {
    "unknown name": (START + END.replace("bev +", "bve +"), 'did you mean "bev"?'),
    "below it": (END + START, '"bev" is no factor that stands above it'),
    "no unit": (START + END.replace("6 week", "42"), "like 84 day"),
    "another kind": (START + END.replace("bev + 6 week", "bev / 1 day"), "gives no day"),
    "values besides": (START + END + 'low = "1 day"', 'takes no "low"'),
    "nothing read": (START + END.replace("bev + 6 week", "42 day"), "reads no factor"),
    "other origin": (START + END + 'relative_to = "day 0"', 'but "bev" from "first tace"'),
    "out of bounds": (START + END.replace("bev + 6 week", "bev - 6 week"), "(bev = -14)"),
    "taken key": (START + END.replace(".until", ".start"), 'which factor "bev" sets as well'),
    "no such entry": (START + END.replace("bevacizumab.until", "bevacizumap.until"), "bevacizumap"),
    "unknown unit": (START + END.replace("6 week", "6 wek"), "wek"),
    "no number": (START + END.replace("bev + 6 week", "bev / (bev - bev) * 1 day"), "no number at bev = -14"),
    "one at a time": (START + GAP + END.replace("bev + 6 week", "bev + gap") + '[design]\nkind = "one_at_a_time"',
                      "take a design that gives it one"),
    "a choice": ('[[factor]]\nname = "bev"\nkey = "biology.hypotheses.vegf.clearance"\n' + END, "no factor that stands"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_of_links_are_told_with_their_line(name):
    text, said = MISTAKES[name]
    with pytest.raises(InputError) as told:
        study(text)
    assert said in str(told.value) and "study.toml:" in str(told.value), told.value
    for problem in told.value.problems:  # the line is one of a [[factor]] table, not the whole file
        assert int(problem.place.rpartition(":")[2]) > HEAD.count("\n")
