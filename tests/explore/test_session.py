"""What a hand on the page means for the config file, without a browser."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tme_sim.diagnostics import InputError
from tme_sim.engine.queue import TICKS_PER_DAY
from tme_sim.explore import form, frames, packing, prior, timing
from tme_sim.explore.edits import apply_edit, shifted
from tme_sim.explore.models import Models
from tme_sim.explore.session import Session
from tme_sim.explore.tab import Tab
from tme_sim.plan import plan_of
from tme_sim.scenario import Scenario
from tme_sim.simulation import simulate
from tme_sim.toml_writer import write_toml

ROOT = Path(__file__).parents[2]


@cache
def emerald() -> Scenario:
    return Scenario.load(ROOT / "configs/emerald1.toml")


@cache
def models() -> Models:
    return Models()


def session() -> Session:
    return Session(emerald())


def days(one: Session, name: str) -> list[float]:
    return [e.day for e in one.scenario.calendar.all if e.treatment == name]


# --- edits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "by", "after"),
    [
        ("day 7", 3, "day 10"),
        ("day 7", -9.5, "day -2.5"),
        ("14 day after last tace", 7, "21 day after last tace"),
        ("14 day after last tace", -14, "last tace"),
        ("first tace", -2, "2 day before first tace"),
        ("2 day before 3rd tace", 3, "1 day after 3rd tace"),
        ("2 hour after first oxaliplatin", 1, "1.0833333333 day after first oxaliplatin"),
        ("start of maintenance", 7, "7 day after start of maintenance"),
    ],
)
def test_a_dragged_date_keeps_its_relation(text, by, after):
    assert shifted(text, by) == after


def test_a_dragged_bar_moves_and_what_is_dated_from_it_follows():
    one = session()
    first = days(one, "bevacizumab")[0]
    one.edit({"do": "move", "index": 0, "days": 5.0})
    assert days(one, "tace") == [5.0, 33.0]
    assert days(one, "bevacizumab")[0] == first + 5
    assert 'start = "14 day after last tace"' in one.config


def test_edits_of_one_gesture_start_from_the_same_state_and_are_one_step_back():
    one = session()
    before = one.config
    for by in (1.0, 2.0, 5.0):
        one.edit({"do": "move", "index": 0, "days": by}, gesture="g1")
    assert days(one, "tace") == [5.0, 33.0]
    one.edit({"do": "move", "index": 0, "days": 1.0}, gesture="g2")
    assert days(one, "tace") == [6.0, 34.0]
    one.undo()
    one.undo()
    assert one.config == before
    assert not one.can_undo
    one.redo()
    assert days(one, "tace") == [5.0, 33.0]


def test_a_stretched_bar_ends_before_the_day_it_is_dragged_to():
    one = session()
    one.edit({"do": "end", "index": 3, "day": 200.0})
    given = days(one, "bevacizumab")
    assert given[-1] < 200 <= given[-1] + 21


def test_a_split_bar_pauses_and_gives_no_dose_in_the_pause():
    one = session()
    before = days(one, "durvalumab maintenance")
    one.edit({"do": "split", "index": 2, "day": 150.0, "length": 60.0})
    both = days(one, "durvalumab maintenance") + days(one, "durvalumab maintenance 2")
    assert [d for d in both if d < 150] == [d for d in before if d < 150]
    assert min(d for d in both if d >= 150) == 210
    with pytest.raises(InputError, match="between its first and its last dose"):
        one.edit({"do": "split", "index": 1, "day": 500.0, "length": 60.0})


def test_one_session_is_moved_added_and_dropped():
    one = session()
    one.edit({"do": "session", "index": 0, "number": 1, "day": 60.0})
    assert days(one, "tace") == [0.0, 60.0]
    one.edit({"do": "add_session", "index": 0, "day": 90.0})
    one.edit({"do": "drop_session", "index": 0, "number": 0})
    assert days(one, "tace") == [60.0, 90.0]
    assert days(one, "bevacizumab")[0] == 104.0


def test_what_was_dated_from_a_removed_treatment_stays_where_it_stands():
    one = session()
    before = days(one, "bevacizumab")
    one.edit({"do": "hold", "index": 3, "around": "tace", "before": 1.0, "after": 7.0})
    one.edit({"do": "remove", "index": 0})
    assert days(one, "tace") == []
    assert days(one, "bevacizumab") == before
    assert "hold" not in one.config


def test_a_hold_around_sessions_is_a_hold_of_the_file_format():
    one = session()
    one.edit({"do": "session", "index": 0, "number": 1, "day": 120.0})
    one.edit({"do": "field", "index": 3, "name": "start", "value": "day 30"})
    one.edit({"do": "hold", "index": 3, "around": "tace", "before": 7.0, "after": 21.0})
    assert not [d for d in days(one, "bevacizumab") if 113 <= d < 141]


def test_a_new_drug_comes_at_a_regimen_of_the_library():
    one = session()
    one.edit({"do": "add", "what": "lenvatinib", "day": 3.0})
    assert days(one, "lenvatinib")[0] == 3.0
    with pytest.raises(InputError, match='did you mean "lenvatinib"'):
        one.edit({"do": "add", "what": "lenvatanib", "day": 3.0})


@pytest.mark.parametrize(
    "edit",
    [
        {},
        {"do": "fly"},
        {"do": "move", "index": 99, "days": 1.0},
        {"do": "move", "index": 0},
        {"do": "move", "index": True, "days": 1.0},
        {"do": "move", "index": 0, "days": float("nan")},
        {"do": "move", "index": 0, "days": 1e9},
        {"do": "set", "key": [], "value": 1.0},
        {"do": "set", "key": ["patient", "lesion", 7, "diameter"], "value": "1 mm"},
        {"do": "set", "key": ["seed", "x"], "value": 1.0},
        {"do": "set", "key": ["patient", "weight"], "value": ["70 kg"]},
        {"do": "set", "key": ["patient", "weight"], "value": "x" * 501},
        {"do": "set", "key": ["protocol", "file"], "value": "/etc/passwd"},
        {"do": "field", "index": 0, "name": "kind", "value": "drug"},
        {"do": "field", "index": 0, "name": "start", "value": "yesterday"},
        {"do": "session", "index": 0, "number": 9, "day": 1.0},
        {"do": "split", "index": 0, "day": 5.0, "length": 5.0},
    ],
)
def test_an_edit_without_meaning_is_refused_and_changes_nothing(edit):
    one = session()
    before = one.config
    with pytest.raises((InputError, ValueError)):
        one.edit(edit)
    assert one.config == before
    assert not one.can_undo


def test_a_bad_value_gets_the_message_of_the_command_line(tmp_path):
    from click.testing import CliRunner

    from tme_sim.cli import cli

    one = session()
    with pytest.raises(InputError) as caught:
        one.edit({"do": "set", "key": ["patient", "weight"], "value": "700 kg"})
    path = tmp_path / "emerald1.toml"
    path.write_text(one.config.replace("70 kg", "700 kg"))
    result = CliRunner().invoke(cli, ["config", "check", str(path)])
    assert result.exit_code == 2
    assert str(caught.value) in result.output.replace(f"{tmp_path}/", "")


# --- the same run again --------------------------------------------------------------------------------------------


def test_the_config_of_the_page_read_again_gives_the_same_run(tmp_path):
    one = session()
    one.edit({"do": "move", "index": 0, "days": 3.0})
    one.edit({"do": "split", "index": 3, "day": 200.0, "length": 42.0})
    one.edit({"do": "set", "key": ["biology", "gains", "vegf_on_treg"], "value": 0.5})
    one.edit({"do": "set", "key": ["patient", "lesion", 0, "diameter"], "value": "63 mm"})
    one.edit({"do": "set", "key": ["run", "duration"], "value": "120 day"})
    path = tmp_path / one.file_name
    path.write_text(one.config)
    again = Scenario.load(path)
    assert again.digest == one.scenario.digest
    name, csv = packing.download("data", one, models())
    assert name == "emerald1.csv"
    assert csv.decode() == simulate(again, make=models().set_up).to_csv()


def test_a_config_that_names_a_file_is_refused_and_others_are_taken():
    one = session()
    with pytest.raises(InputError, match="the page opens none"):
        one.load('[protocol]\nfile = "/etc/passwd"\n')
    one.load('name = "other"\n[run]\nduration = "60 day"\n')
    assert one.scenario.name == "other"
    one.undo()
    assert one.scenario.name == "emerald1"


def test_a_protocol_file_named_on_the_command_line_does_not_stay_in_the_data():
    chosen = {"protocol.file": str(ROOT / "configs/protocols/tace_only.toml")}
    one = Session(Scenario.load(ROOT / "configs/emerald1.toml", chosen))
    one.edit({"do": "set", "key": ["patient", "weight"], "value": "80 kg"})
    assert "file" not in one.config


# --- form --------------------------------------------------------------------------------------------------------


def test_every_control_is_a_key_of_the_format_with_unit_range_and_source():
    made = form.form_of(emerald().catalogue)
    known = emerald().catalogue.names()
    sliders = [c for g in made["parameters"] for c in g["controls"]] + made["lesion"]
    assert len(sliders) > 200
    for control in sliders:
        one = known[control["key"][-1]]
        assert (control["low"], control["high"], control["unit"]) == (one.low, one.high, one.unit)
        assert one.source in control["about"]
    assert [c["key"][-1] for c in made["patient"]][:2] == ["weight", "height"]
    assert {c["name"] for c in made["hypotheses"]} == set(emerald().catalogue.hypotheses)
    everything = [c for group in made.values() for c in group if "about" in c and "key" in c]
    assert len(everything) > 50
    assert all(c["about"].strip() for c in everything)


def test_both_ends_of_every_slider_are_allowed():
    made = form.form_of(emerald().catalogue)
    groups = [made["patient"], made["run"], made["arrows"], made["lesion"], *(g["controls"] for g in made["parameters"])]
    one = session()
    for end in ("low", "high"):
        data = one.scenario.data
        for control in (c for g in groups for c in g if c["kind"] == "slider"):
            number = control[end]
            value = number if control["unit"] == "1" else f"{number:.12g} {control['unit']}"
            data = apply_edit(data, one.scenario, {"do": "set", "key": control["key"], "value": value})
        Scenario.from_text(write_toml(data), catalogue=one.scenario.catalogue)


def test_values_of_the_scenario_reach_their_controls():
    one = session()
    one.edit({"do": "set", "key": ["parameters", "k_hif2"], "value": "3 1/day"})
    made = form.form_of(one.scenario.catalogue)
    values = {tuple(v["key"]): v for v in form.values_of(made, one.scenario)}
    assert values["parameters", "k_hif2"]["value"] == 3.0
    assert values["patient", "weight"]["value"] == 70.0
    assert values["patient", "lesion", 0, "diameter"]["value"] == 50.0
    assert values["run", "duration"]["value"] == 730.5


# --- frames ------------------------------------------------------------------------------------------------------


def short() -> Session:
    one = session()
    one.edit({"do": "set", "key": ["run", "duration"], "value": "200 day"})
    return one


def test_every_view_has_panels_and_the_overview_finds_all_of_its_own():
    _, run = frames.compute(short().scenario, models())
    for view in frames.VIEWS:
        panels = frames.shown(frames.panels_of(run, view))
        assert panels
        assert all(p["curves"] for p in panels)
    assert len(frames.panels_of(run, "overview")) == len(frames.OVERVIEW)


@pytest.mark.parametrize(
    ("title", "head", "more"),
    [
        ("Sum of diameters, change since day 0 (dots: scans; dotted: above)", "Sum of diameters",
         "change since day 0 (dots: scans; dotted: above)"),
        ("VEGF in blood as assays read it (antibody keeps it)", "VEGF in blood as assays read it", "antibody keeps it"),
        ("PD-L1, and the PD-1:PD-L1 bonds that form", "PD-L1", "the PD-1:PD-L1 bonds that form"),
        ("Suppressor cells (MDSC) in the tumour", "Suppressor cells (MDSC) in the tumour", ""),
    ],
)  # fmt: skip
def test_a_long_title_becomes_a_heading_and_what_to_know_of_it(title, head, more):
    assert frames.heading(title) == {"head": head, "more": more}


def test_curves_of_the_page_are_those_of_a_run():
    one = short()
    whole = simulate(one.scenario, make=models().set_up)
    outcome, run = frames.compute(one.scenario, models(), every=TICKS_PER_DAY)
    np.testing.assert_array_equal(run["CD8"], whole["CD8"])
    assert run.summary == whole.summary
    _, coarse = frames.compute(one.scenario, models(), every=4 * TICKS_PER_DAY)
    assert coarse.summary == whole.summary


def test_draws_of_the_prior_stay_within_the_evidence_and_leave_what_is_set():
    one = short()
    known = one.scenario.catalogue.parameters
    made = prior.draws(known, 8, seed=5)
    assert made == prior.draws(known, 8, seed=5)
    for draw in made:
        for name, value in draw.items():
            assert known[name].low_internal * (1 - 1e-12) - 1e-300 <= value <= known[name].high_internal * (1 + 1e-12)
    one.edit({"do": "set", "key": ["parameters", "k_hif2"], "value": "3 1/day"})
    plan = plan_of(one.scenario)
    plans = prior.draw_plans(plan, made, ("diameter",))
    assert {p.values["k_hif2"] for p in plans} == {plan.values["k_hif2"]}
    assert len({p.values["mdsc_density"] for p in plans}) == 8
    middle = prior.draws(known, 400, seed=5)
    assert np.median([d["mdsc_density"] for d in middle]) == pytest.approx(known["mdsc_density"].internal, rel=0.25)


def test_how_many_draws_gave_no_curve_is_told_with_the_reason():
    lost = [packing.UNBALANCED] * 38 + [packing.UNFINISHED]
    told = packing.lost_text(24, lost)
    assert "24 of 63 draws; 62 % were left out: 38 because no untreated tumour can grow" in told
    assert "1 because the run did not reach its end" in told
    assert packing.lost_text(24, []) == ""
    empty = packing.band([], [], "overview", 3, True, lost, (0.1, 0.9))
    assert empty["lost"] == 39
    assert empty["why"].startswith("The band is made of 0 of 39 draws; 100 %")


def test_members_of_a_posterior_go_together_and_cohort_numbers_stay_out():
    from types import SimpleNamespace

    from tme_sim.priors import Priors

    scores = np.array([[1.0, 1.0, 0.5], [-1.0, -1.0, 0.5]])
    priors = Priors(("a", "b", "draw.spread"), np.ones(3), np.full(3, 0.5), np.full(3, 2.0), np.ones(3, dtype=bool))
    posterior = SimpleNamespace(priors=priors, members=lambda n, seed: scores[np.arange(n) % 2])
    drawn = prior.members(posterior, 4, seed=1)
    assert [set(d) for d in drawn] == [{"a", "b"}] * 4
    assert all(d["a"] == d["b"] for d in drawn)
    assert drawn[0]["a"] == pytest.approx(2**0.5)


# --- a tab -------------------------------------------------------------------------------------------------------


def played(play) -> list[dict]:
    """Messages that a tab sent while `play(tab, wait)` ran; `wait(kind)` waits for one more of a kind."""
    said: list[dict] = []

    async def go():
        with ThreadPoolExecutor(2) as quick, ThreadPoolExecutor(1) as slow:
            tab = Tab(short(), models(), quick, slow, lambda m, content=None: said.append(m | {"content": content}))
            seen = {}

            async def wait(kind):
                wanted = seen.get(kind, 0) + 1
                for _ in range(3000):
                    if sum(m["type"] == kind for m in said) >= wanted:
                        seen[kind] = sum(m["type"] == kind for m in said)
                        return [m for m in said if m["type"] == kind][-1]
                    await asyncio.sleep(0.01)
                raise AssertionError(f"no {kind}: {[m['type'] for m in said]}")

            tab.open()
            await wait("frame")
            await play(tab, wait)
            tab.close()

    asyncio.run(go())
    return said


def test_a_tab_answers_moves_pins_explains_and_downloads():
    async def play(tab, wait):
        tab.take({"type": "pin"})
        assert [p["number"] for p in (await wait("frame"))["pins"]] == [1]
        tab.take({"type": "edit", "edit": {"do": "move", "index": 0, "days": 9.0}, "id": 7})
        frame = await wait("frame")
        assert frame["answers"] == 7
        assert frame["sessions"] == [9.0, 37.0]
        assert any("day 9" in c for c in frame["pins"][0]["changes"])
        tab.take({"type": "explain", "state": "CD8", "start": 10, "end": 60})
        told = await wait("explained")
        assert told["processes"]
        tab.take({"type": "explain", "state": "CD88", "start": 10, "end": 60})
        assert 'did you mean "CD8"' in (await wait("refused"))["text"]
        tab.take({"type": "download", "what": "config"})
        assert (await wait("download"))["content"].decode() == tab.session.config
        tab.take({"type": "recall", "number": 1})
        assert (await wait("frame"))["sessions"] == [0.0, 28.0]

    played(play)


def test_a_pinned_run_finds_its_figures_when_the_first_scan_moves():
    """The title of the diameters says since which day they count; a pin of another calendar belongs into it all the same."""
    before = emerald().changed({"protocol.treatment.bevacizumab.start": "day -60"})
    runs = [frames.compute(one, models())[1] for one in (emerald(), before)]
    titles = [{p.title for p in frames.panels_of(run, "calendar_and_lesion")} for run in runs]
    assert titles[0] != titles[1]
    for view in frames.VIEWS:
        keys = [[p["key"] for p in frames.shown(frames.panels_of(run, view))] for run in runs]
        assert keys[0] == keys[1]
        assert len(set(keys[0])) == len(keys[0])


def test_a_timing_surface_holds_what_single_runs_give():
    async def play(tab, wait):
        tab.take({"type": "timing", "x": 3, "y": 1, "outcome": "viable_fraction_d90"})
        for _ in timing.OFFSETS:
            told = await wait("timing")
        assert told["done"] == told["total"] == len(timing.OFFSETS) ** 2
        assert "day 90" in told["about"]
        i, j = 2, 5
        one = Session(tab.session.scenario)
        start = told["x"]["days"][i] - days(one, "bevacizumab")[0]
        one.edit({"do": "move", "index": 3, "days": start})
        one.edit({"do": "move", "index": 1, "days": told["y"]["days"][j] - days(one, "durvalumab with TACE")[0]})
        outcome, _ = frames.compute(one.scenario, models())
        assert told["values"][i][j] == pytest.approx(outcome.endpoints["viable_fraction_d90"], rel=1e-5)
        assert told["values"][i][j] != told["values"][3][3]
        best = min(v for row in told["values"] for v in row if v is not None)
        assert told["best"]["value"] == pytest.approx(best, rel=1e-5)
        tab.take({"type": "timing", "x": 3, "y": 3, "outcome": "viable_fraction_d90"})
        assert "two different" in (await wait("refused"))["text"]
        tab.take({"type": "timing", "x": 3, "y": 99})
        assert "two treatments" in (await wait("refused"))["text"]

    played(play)


def test_a_scenario_of_single_cells_is_followed_as_density_and_says_so():
    one = short()
    one.load(one.config.replace('tissue = "density"', 'tissue = "agents"'))
    assert one.scenario.tissue == "agents"
    _, run = frames.compute(one.scenario, models())
    _, same = frames.compute(short().scenario, models())
    np.testing.assert_array_equal(run["CD8"], same["CD8"])
    with pytest.raises(InputError, match="single cells"):
        packing.download("data", one, models())


def test_of_a_fast_gesture_only_the_latest_position_is_computed():
    async def play(tab, wait):
        before = tab.computed
        for i in range(200):
            tab.take({"type": "edit", "edit": {"do": "move", "index": 0, "days": float(i % 50)}, "gesture": "g", "id": i})
        frame = await wait("frame")
        assert frame["answers"] == 199
        assert frame["sessions"] == [49.0, 77.0]
        assert tab.computed - before <= 2

    played(play)


def test_what_is_not_understood_is_told_and_the_tab_goes_on():
    async def play(tab, wait):
        for message in ({"type": "what"}, {"type": "edit", "edit": 5}, {"type": "edit"}, {"type": "view", "view": "x"},
                        {"type": "explain", "state": 4, "start": "x"}, {"type": "download", "what": "/etc/passwd"}):
            tab.take(message)
            await asyncio.sleep(0.05)
        for i in range(400):
            tab.take({"type": "edit", "edit": {"do": "nothing"}, "id": i})
        tab.take({"type": "undo"})
        await asyncio.sleep(0.3)
        tab.take({"type": "edit", "edit": {"do": "move", "index": 0, "days": 2.0}})
        assert (await wait("frame"))["sessions"] == [2.0, 30.0]

    said = played(play)
    assert any("too many changes at once" in m["text"] for m in said if m["type"] == "refused")


def test_a_new_structure_compiles_in_the_background_and_the_tab_goes_on():
    """A model whose set-up takes long stands for one that is compiled."""
    import threading

    class Slow(Models):
        def __init__(self):
            super().__init__()
            self.free = threading.Event()

        def set_up(self, plan):
            if dict(plan.hypotheses):
                assert self.free.wait(30)
            return models().set_up(plan)

        def has(self, plan):
            return not dict(plan.hypotheses) or self.free.is_set()

    slow = Slow()

    async def play(tab, wait):
        tab.models = slow
        hypothesis = {"do": "set", "key": ["biology", "hypotheses", "killing.oxygen"], "value": "default"}
        tab.take({"type": "edit", "edit": hypothesis})
        await wait("busy")
        tab.take({"type": "undo"})
        tab.take({"type": "edit", "edit": {"do": "move", "index": 0, "days": 3.0}, "id": 5})
        assert (await wait("frame"))["answers"] == 5
        tab.take({"type": "edit", "edit": hypothesis})
        await wait("busy")
        slow.free.set()
        frame = await wait("frame")
        assert frame["revision"] == tab.session.revision

    played(play)


def test_the_surface_of_a_study_is_read_from_its_store(tmp_path):
    from tme_sim.explore.timing import of_study
    from tme_sim.study import load_study, open_store, run_study

    one = short()
    one.edit({"do": "set", "key": ["run", "duration"], "value": "90 day"})
    (tmp_path / "base.toml").write_text(one.config)
    factors = "".join(
        f'[[factor]]\nname = "{n}"\nkey = "protocol.treatment.{k}.start"\nlow = "10 day"\nhigh = "50 day"\nlevels = 2\n'
        for n, k in (("trap", "bevacizumab"), ("pd1", "durvalumab maintenance"))
    )
    (tmp_path / "study.toml").write_text(
        f'schema = 1\nname = "small"\nbase = "base.toml"\n{factors}[design]\nkind = "grid"\n'
        '[outputs]\nendpoints = ["viable_fraction_d90"]\n'
    )
    study, store = str(tmp_path / "study.toml"), str(tmp_path / "store")
    made = load_study(study)
    run_study(made, store, jobs=1, yes=True).close()
    told = of_study(study, store, lambda _: None)
    assert told["x"]["days"] == [10.0, 50.0]
    assert told["x"]["name"] == "bevacizumab"
    assert told["best"]["value"] == pytest.approx(min(v for row in told["values"] for v in row), rel=1e-5)
    with pytest.raises(InputError):
        of_study(study, str(tmp_path / "nothing"), lambda _: None)
    with open_store(store, write=True, digest="") as opened:
        opened._set("model_digest", "another model")
    with pytest.raises(InputError, match="holds runs of model another mode"):
        of_study(study, store, lambda _: None)


@pytest.mark.slow
def test_single_cells_are_watched_stopped_and_one_at_a_time():
    from tme_sim.explore.cells import CellRun, Stopped

    small = {"piece.size": "0.2 mm", "piece.settle": "1 day", "piece.snapshots": [-1], "run.duration": "3 day"}
    scenario = Scenario.load(ROOT / "configs/agents_emerald1.toml", small)
    said = []
    run = CellRun(scenario, models(), said.append).run()
    assert run.time[-1] == 3.0
    shots = [m for m in said if m["type"] == "snapshot"]
    assert shots[0]["image"].startswith("data:image/png;base64,")
    one = CellRun(scenario, models(), said.append)
    one.stop()
    with pytest.raises(Stopped):
        one.run()

    async def play(tab, wait):
        tab.models.cells = True
        tab.take({"type": "cells", "on": True})
        assert "under way" in (await wait("refused"))["text"]
        tab.models.cells = False

    played(play)
