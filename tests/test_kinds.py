"""Files given to the wrong command are named, and nothing that stands is replaced unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tme_sim.cli import cli
from tme_sim.scenario import Scenario
from tme_sim.study.reading import study_from_text

ROOT = Path(__file__).parents[1]
SCENARIO, TRIAL = ROOT / "configs/emerald1.toml", ROOT / "configs/trials/tace_only.toml"
STUDY, TACE = ROOT / "experiments/mdsc_loss/study.toml", ROOT / "configs/protocols/tace_only.toml"
FIT = ROOT / "configs/calibration/default.toml"
CARD = ROOT / "experiments/hypotheses/chiu2017_entpd2_pd1/card.toml"


def told(*arguments: object) -> tuple[int, str]:
    """Exit code and message of a command."""
    done = CliRunner().invoke(cli, [str(a) for a in arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", STUDY), "a study, not a scenario: use tme-sim sweep"),
        (("run", TRIAL), "a trial, not a scenario: use tme-sim trial"),
        (("run", TACE), "a protocol, not a scenario: use tme-sim protocol show"),
        (("run", CARD), "a hypothesis card, not a scenario: use tme-sim hypothesis run"),
        (("sweep", SCENARIO, "--out", "s"), "a scenario, not a study: use tme-sim run"),
        (("sensitivity", TRIAL, "--out", "s"), "a trial, not a study: use tme-sim trial"),
        (("trial", SCENARIO, "--out", "t"), "a scenario, not a trial: use tme-sim run"),
        (("cohort", "describe", TRIAL), "a trial, not a cohort: use tme-sim trial"),
        (("cohort", "make", SCENARIO, "--out", "c.csv"), "a scenario, not a cohort: use tme-sim run"),
        (("predict", "emerald1", "--trials", FIT), "a calibration, not a table of trials: use tme-sim calibrate"),
        (("run", ROOT / "configs/predictions.toml"), "a table of trials, not a scenario: use tme-sim predict"),
        (("trial", STUDY, "--out", "t"), "a study, not a trial: use tme-sim sweep"),
        (("trial", FIT, "--out", "t"), "a calibration, not a trial: use tme-sim calibrate"),
        (("calibrate", TRIAL, "--out", "t"), "a trial, not a calibration: use tme-sim trial"),
        (("hypothesis", "run", STUDY), "a study, not a hypothesis card: use tme-sim sweep"),
    ],
)
def test_a_file_of_another_kind_is_named_with_its_command(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text = told(*arguments)
    assert code == 2 and said in text and text.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        ("export", "csv", "runs/none"),
        ("export", "parameters", SCENARIO),
        ("compare", "a", "b"),
        ("attribute", SCENARIO, "MDSC"),
        ("protocol", "show", TACE),
        ("protocol", "table", SCENARIO),
        ("config", "schema"),
        ("cohort", "describe", ROOT / "configs/cohorts/advanced.toml"),
    ],
    ids=lambda c: " ".join(map(str, c[:2])),
)
def test_a_file_that_stands_is_not_replaced_unasked(command, tmp_path):
    out = tmp_path / "mine.png"
    out.write_text("mine")
    code, text = told(*command, "--out", out)
    assert code == 2 and "exists; choose another --out, or replace it with --force" in text
    assert out.read_text() == "mine"


def test_force_replaces_a_file(tmp_path):
    out = tmp_path / "doses.csv"
    out.write_text("mine")
    assert told("protocol", "table", SCENARIO, "--out", out, "--force")[0] == 0
    assert out.read_text() != "mine"


def test_a_protocol_file_can_be_chosen_by_an_override(tmp_path, monkeypatch):
    plain = Scenario.load(ROOT / "configs/untreated.toml")
    monkeypatch.chdir(TACE.parent)
    dates = Scenario.load(ROOT / "configs/tace_only.toml").calendar.entries
    loaded = Scenario.load(ROOT / "configs/untreated.toml", ["protocol.file=tace_only.toml", "protocol.title=mine"])
    changed = plain.changed({"protocol.title": "mine", "protocol.file": "tace_only.toml"})
    for one in (loaded, changed):
        assert [(e.tick, e.kind) for e in one.calendar.entries] == [(e.tick, e.kind) for e in dates]
        assert one.protocol.title == "mine"
    code, text = told("config", "check", ROOT / "configs/untreated.toml", "--set", "protocol.file=tace_onyl.toml")
    assert code == 2 and "tace_only.toml" in text


def test_a_study_takes_protocol_files_from_its_own_folder(tmp_path):
    (tmp_path / "mine.toml").write_text(TACE.read_text())
    head = f'schema = 1\nname = "toy"\nbase = "{ROOT / "configs/untreated.toml"}"\n[set]\n"protocol.file" = "mine.toml"\n'
    made = study_from_text(head, str(tmp_path / "study.toml"))
    assert made.base.calendar.entries
    with pytest.raises(Exception, match="in arms"):
        factor = '[[factor]]\nname = "p"\nkey = "protocol.file"\nvalues = ["mine.toml"]\n'
        study_from_text(head + factor, str(tmp_path / "study.toml"))
