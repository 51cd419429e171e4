"""Derived columns: what expressions compute, and that nothing but them is ever computed."""

from __future__ import annotations

import contextlib
import random
import time

import numpy as np
import pytest

from tests.study.study_toys import MDSC, study
from tme_sim.diagnostics import InputError
from tme_sim.study import run_study, run_table
from tme_sim.study.expressions import ExpressionError, parse_expression
from tme_sim.study.plan_table import PlanTable

NAMES = ("a", "b", "zero")
COLUMNS = {"a": np.array([1.0, 4.0, np.nan]), "b": np.array([2.0, 0.5, 3.0]), "zero": np.zeros(3)}
DAYS = {"x": (-28, 0, 28, 56)}


def value(text: str) -> list[float]:
    return parse_expression(text, NAMES, DAYS)(COLUMNS).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 2 * b", [5.0, 5.0, np.nan]),
        ("-(a - b) / 2", [0.5, -1.75, np.nan]),
        ("b ** 2", [4.0, 0.25, 9.0]),
        ("b ** -1", [0.5, 2.0, 1 / 3]),
        ("log(exp(b))", [2.0, 0.5, 3.0]),
        ("sqrt(b * b) + abs(-b)", [4.0, 1.0, 6.0]),
        ("max(a, b) - min(a, b)", [1.0, 3.5, np.nan]),
        ("a < b", [1.0, 0.0, np.nan]),
        ("where(b >= 2, 10, b)", [10.0, 0.5, 10.0]),
        ("3", [3.0, 3.0, 3.0]),
        ("a / zero", [np.nan] * 3),  # not infinite
        ("log(-b)", [np.nan] * 3),
        ("(-b) ** 0.5", [np.nan] * 3),
    ],
)
def test_arithmetic_and_functions_over_columns(text, expected):
    assert value(text) == pytest.approx(expected, nan_ok=True)


def test_numbers_of_a_trajectory():
    columns = {"x_d-28": np.array([8.0, 8.0, 8.0]), "x_d0": np.array([2.0, 9.0, 1.0]),
               "x_d28": np.array([4.0, 7.0, 2.0]), "x_d56": np.array([16.0, 7.5, np.nan])}  # fmt: skip

    def of(text):
        return parse_expression(text, (), DAYS)(columns).tolist()

    assert of("at(x, -28) / at(x, 0)") == pytest.approx([4.0, 8 / 9, 8.0])
    assert of("smallest(x) + largest(x)") == pytest.approx([18.0, 16.0, np.nan], nan_ok=True)
    assert of("area(x)")[0] == pytest.approx(28 * (5 + 3 + 10))
    # doubles twice in 28 days from 4, so 8 again after 14 of them; the second never is, the third is not known
    assert of("back_at(x)") == pytest.approx([42.0, 56.0, np.nan], nan_ok=True)
    assert parse_expression("back_at(x)", (), DAYS).names == ("x_d-28", "x_d0", "x_d28", "x_d56")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__import__('os').system('true')", "no function"),
        ("a.__class__", "not allowed"),
        ("a[0]", "not allowed"),
        ("(lambda: 1)()", "no function"),
        ("[b for b in a]", "not allowed"),
        ("{a}", "not allowed"),
        ("f'{a}'", "not allowed"),
        ("'text'", "a number"),
        ("True", "a number"),
        ("1e999", "a number"),
        ("10 ** 9 ** 9", "exponent"),
        ("a ** b", "exponent"),
        ("a ** 11", "exponent"),
        ("a // b", "operator"),
        ("a and b", "not allowed"),
        ("not a", "operator"),
        ("a < b < 3", "more than two"),
        ("a if b else 1", "not allowed"),
        ("exp(a, b)", "takes 1 value"),
        ("exp(*a)", "no function"),
        ("where(condition=a)", "no function"),
        ("expp(a)", 'did you mean "exp"?'),
        ("aa", 'did you mean "a"?'),
        ("x + 1", "at(x, 0)"),
        ("at(x, 7)", "one of the days"),
        ("at(x, a)", "one of the days"),
        ("area(y)", "trajectory"),
        ("area(a)", "trajectory"),
        ("a +", "is no expression"),
        ("a = 1", "is no expression"),
        ("a; b", "is no expression"),
        ("a\0b", "is no expression"),
        ("", "is no expression"),
        ("(" * 400 + "a" + ")" * 400, ""),
        ("-" * 900 + "a", ""),
        ("+".join("a" * 300), "more than 500 parts"),
        ("9" * 999, "a number"),
        ("a" * 1001, "longer than"),
    ],
)
def test_whatever_is_not_listed_is_refused(text, said):
    with pytest.raises(ExpressionError) as told:
        value(text)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_any_text_gives_an_expression_or_a_message():
    pieces = ["a", "b", "(", ")", "**", "*", "+", "-", "exp(", "at(x,", "0", "9e9", ",", ".", "_", "[", "]", "lambda:",
              "where(", "'", '"', "\\", "é", "if", "else", "for", "in", "<", "==", "x", "\n", "#", ":=", "~", "@"]  # fmt: skip
    rng = random.Random(5)
    begin, good = time.monotonic(), 0
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 30)))
        with contextlib.suppress(ExpressionError):
            good += value(text) is not None
    assert good > 20 and time.monotonic() - begin < 20.0


DERIVED = """
[outputs]
endpoints = ["burden_d28", "ratio"]
trajectories = ["MDSC"]
days = [0, 28]
[[outputs.derived]]
name = "ratio"
expression = "burden_d28 / burden_d7"
label = "tumour on day 28 over day 7"
better = "lower"
[[outputs.derived]]
name = "rise"
expression = "log(at(MDSC, 28) / at(MDSC, 0)) + 0 * ratio"
"""


def test_derived_columns_stand_in_every_table_and_cost_no_run(tmp_path):
    made = study(MDSC + DERIVED)
    alone = run_table(made)
    with run_study(made, tmp_path / "s", jobs=0) as store:
        kept, again = store.table(made), store.table()
    for table in (alone, kept, again):  # the last from the store's own plan, without the study
        assert "burden_d7" not in table and list(table)[-2:] == ["ratio", "rise"]
        assert table["rise"] == pytest.approx(np.log(table["MDSC_d28"] / table["MDSC_d0"]))
    wider = study(MDSC + DERIVED.replace("/ burden_d7", "* 2").replace(', "ratio"', ', "ratio", "burden_d7"'))
    assert wider.keys == made.keys and wider.plan_table.digest != made.plan_table.digest
    table = run_study(wider, tmp_path / "s", jobs=0).table(wider)
    assert table["ratio"] == pytest.approx(2 * table["burden_d28"])
    assert kept["ratio"] == pytest.approx(table["burden_d28"] / table["burden_d7"])


def test_a_failed_run_has_no_derived_number(tmp_path):
    made = study('[[factor]]\nname = "d"\nkey = "patient.lesion.main.diameter"\nvalues = ["1 mm", "300 mm"]\n' + DERIVED)
    plan = made.plan_table
    assert PlanTable.unpacked(plan.packed(), plan.keys).derived == plan.derived
    empty = plan.with_derived({"status": np.array(["failed", "failed"], dtype=object)})
    assert np.isnan(empty["ratio"]).all() and np.isnan(empty["rise"]).all()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("burden_d28 / burden_d7", "burden_d28 / burden_d8", '"burden_d8" is no column of this study'),
        ("burden_d28 / burden_d7", "open('x')", "no function"),
        ('name = "rise"', 'name = "ratio"', "is taken"),
        ('name = "rise"', 'name = "pfs"', "is taken"),
        ('"burden_d28", "ratio"', '"burden_28"', 'did you mean "burden_d28"?'),
        ('better = "lower"', 'unit = "dya"', "dya"),
        ('better = "lower"', 'bettter = "lower"', 'did you mean "better"?'),
    ],
)
def test_mistakes_of_derived_columns_are_told_with_their_line(old, new, said):
    text = MDSC + DERIVED
    assert old in text
    with pytest.raises(InputError) as told:
        study(text.replace(old, new))
    assert said in str(told.value) and "study.toml:" in str(told.value)
