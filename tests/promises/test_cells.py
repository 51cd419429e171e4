"""No table that a command writes holds text which a spreadsheet would run (H8)."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import numpy as np
import pytest

from tme_sim.cells import no_formula

EVIL = ["=HYPERLINK(1)", "+A1", "-cmd|x", "@SUM(A1)", "\t=1", "\n=1", "\r=1"]


def of_events(text):
    from tme_sim.results import events_text

    return events_text([{"day": 1.0, "kind": "note", "what": text}])


def of_a_study(text):
    from tme_sim.study.tables import csv_text

    return csv_text({"arm": np.array([text], object), "message": np.array([text], object), "x": np.array([-1.5])})


def of_its_columns(text):
    from tme_sim.study.plan_table import PlanTable
    from tme_sim.study.tables import columns_text

    plan = PlanTable({"name": "toy"}, (("x", "day", text, False),), [[1.0]], ["a"], [0], (), (b"k" * 16,))
    return columns_text(plan, {"x": np.array([1.0])})


def of_findings(text):
    from tme_sim.findings.told import csv_bytes

    return csv_bytes([{"arm": text, "value": -1.5}]).decode()


def of_patients(text):
    from tme_sim.cohort.folder import patients_text

    return patients_text([{"sex": text, "albi": -2.5}], [1])


def of_a_trial(text):
    from tme_sim.cohort.folder import rows_text

    row = {"patient": 0, "repeat": 0, "best_response": text, "depth": -0.5}
    return rows_text(SimpleNamespace(rows={text: [row]}, follow_up=[100.0]))


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("write", [of_events, of_a_study, of_its_columns, of_findings, of_patients, of_a_trial])
def test_no_table_holds_a_formula(write, text):
    cells = [cell for row in csv.reader(io.StringIO(write(text), newline="")) for cell in row]
    assert "'" + text.replace("\r", "\n") in cells
    assert [c for c in cells if no_formula(c) != c and not c.lstrip("-").replace(".", "").isdigit()] == []


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "\nx", "plain", "'quoted"])
def test_events_are_read_back_as_they_were(text):
    from tme_sim.results import _events

    assert _events(of_events(text))[0]["what"] == text
