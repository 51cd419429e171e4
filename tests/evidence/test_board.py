"""The board: its rows, the committed file, its page, and that no change of what is met goes untold.

A row that is not met fails nothing.
"""

import dataclasses
import json
import re

import pytest

from tests.evidence import __main__, board, body, clinic, tissue
from tests.evidence.rival_rows import RIMS, RIVALS, SATELLITES
from tests.evidence.rows import FIDELITIES, ROLES, ROWS

WITHHELD = re.compile(
    r"EMERALD|LEAP-012|TALENTACE|CARES-005|TACTICS|TACE-2|SPACE|BRISK|ORIENTAL|LAUNCH|STAH|LTHAIC|BRITTEN", re.I)


def test_every_row_says_what_where_and_how_closely():
    assert len({r.name for r in ROWS}) == len(ROWS) >= 30
    for r in ROWS:
        assert r.role in ROLES and r.fidelity in FIDELITIES and r.low < r.high or r.low == r.high, r.name
        assert all((r.observation, r.observed, r.source, r.tolerance, r.unit)), r.name
        assert any(hasattr(m, r.experiment) for m in (body, clinic, tissue)), r.name


def test_enough_rows_are_predicted_and_rivals_stand_beside_each_other():
    assert sum(r.role == "predicted" for r in ROWS) >= 30
    slots = {slot for r in ROWS for slot in r.hypotheses}
    assert slots >= {"mdsc.loss", "mdsc.amp", "vegf.clearance", "killing.oxygen", "normalisation.window"}


def test_a_rival_has_its_default_beside_it_and_the_page_counts_both():
    names = {r.name for r in ROWS}
    for rival in RIVALS:
        own = [r for r in ROWS if r.hypotheses == rival.hypotheses and r.name.endswith(f", {rival.short}")
               and r.experiment not in (SATELLITES, RIMS)]  # fmt: skip
        assert own and {r.name.removesuffix(f", {rival.short}") for r in own} <= names
        assert {f"{name}, {rival.short}" for name in rival.fitted} <= {r.name for r in own if r.role == "fitted"}
    reach = next(r for r in board.changed_by(board.stored()) if "tace.reach" in r[0])
    assert reach[2] > reach[1] and len(reach[3]) - len(reach[4]) == reach[2] - reach[1]


def test_rivals_of_drugs_alone_move_their_rows_as_they_say():
    """Bystanders add responses, an escape that lasts takes living tumour back, and dead tissue that stays shrinks less."""
    figure = {e.row.name: e.figure for e in board.stored()}
    pairs = [(r, figure[r.name.removesuffix(f", {rival.short}")], figure[r.name]) for rival in RIVALS for r in ROWS
             if r.hypotheses == rival.hypotheses and r.name.endswith(f", {rival.short}")]  # fmt: skip

    def under(slot):
        return [(r, a, b) for r, a, b in pairs if list(r.hypotheses) == [slot]]

    assert len(under("killing.bystander")) == 10 and all(b >= a for _, a, b in under("killing.bystander"))
    assert sum(b > a for _, a, b in under("killing.bystander")) >= 9
    assert [b < a for r, a, b in under("angiogenesis.escape") if "mRECIST" in r.name] == [True, True]
    assert [b < a for _, a, b in under("drugs.death")] == [True]


def test_what_patients_differ_in_under_signs_is_said_to_be_theirs():
    from tme_sim.mechanisms.child_pugh import SIGNS

    notes = {p.name: p.note for p in SIGNS.adds.parameters}
    assert {name for name, note in notes.items() if "by patient" in note or "this patient" in note} == set(clinic.OWN_SIGNS)


def test_rows_that_are_written_are_not_run_again_where_only_new_ones_are_asked(monkeypatch, capsys):
    def refuse(*_):
        raise AssertionError("ran")

    monkeypatch.setattr(board, "run", refuse)
    assert __main__.main(["--new"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == board.lines(board.stored())[-1]


def test_every_drug_has_a_row():
    from tme_sim.therapies.library import Library

    assert {r.quantity for r in ROWS if r.experiment == "kinetics"} == set(Library().names())


def test_outcomes_of_withheld_arms_never_appear():
    for r in ROWS:
        assert not WITHHELD.search(" ".join(map(str, dataclasses.astuple(r)))), r.name
    assert not WITHHELD.search(board.PAGE.read_text())


def test_the_committed_board_holds_every_row_and_its_page_is_the_one_shown():
    kept = json.loads(board.BOARD.read_text())["rows"]
    assert [one["name"] for one in kept] == [r.name for r in ROWS]
    found = board.stored()
    assert [one["met"] for one in kept] == [e.met for e in found]
    assert board.PAGE.read_text() == board.page(found)
    met, missed = board.counts(found)
    assert board.lines(found)[-1] == f"{met} met, {missed} not met" == board.PAGE.read_text().splitlines()[-1]


def untold(found, changelog):
    """Whether the set of met rows has no line in the changelog."""
    return (*board.counts(found), board.mark_of(found)) not in board.told(changelog)


def test_a_changed_set_of_met_rows_has_its_line_in_the_changelog():
    assert not untold(board.stored(), board.CHANGELOG.read_text())


def test_a_change_that_is_not_told_is_found():
    found = board.stored()
    other = next(e for e in found if e.row.role == "predicted" and e.met)
    changed = [dataclasses.replace(e, figure=None) if e is other else e for e in found]
    assert untold(changed, board.CHANGELOG.read_text())
    met, missed = board.counts(changed)
    line = f"* Evidence board: {met} met, {missed} not met ({board.mark_of(changed)}): a reason\n"
    assert not untold(changed, line) and untold(changed, line.replace(": a reason", ": "))


def test_a_figure_that_could_not_be_formed_is_not_met():
    row = next(r for r in ROWS if r.experiment == "recurrence")
    assert not board.Entry(row, None, None).met


@pytest.fixture(scope="module")
def cheap():
    rows = [r for r in ROWS if r.experiment in board.CHEAP and not r.hypotheses]
    return rows, board.entries(rows, known=False)


def test_rows_that_are_quick_to_run_give_what_the_committed_board_says(cheap):
    rows, found = cheap
    kept = {e.row.name: e for e in board.stored()}
    assert len(rows) >= 30
    for e in found:
        was = kept[e.row.name]
        assert e.met == was.met, f"{e.row.name} is {e.figure}: run python -m tests.evidence --write and tell the changelog"
        assert e.figure == pytest.approx(was.figure, rel=1e-3, abs=1e-6), e.row.name


@pytest.mark.slow
def test_the_whole_board_gives_what_the_committed_one_says():
    kept = {e.row.name: e for e in board.stored()}
    for e in board.entries(known=False):
        assert e.met == kept[e.row.name].met, e.row.name
        if e.figure is not None:
            assert e.figure == pytest.approx(kept[e.row.name].figure, rel=1e-3, abs=1e-6), e.row.name
