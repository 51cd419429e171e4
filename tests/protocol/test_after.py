"""Therapy after progression: what a file gives once the protocol's own treatment has ended, and what is refused."""

from pathlib import Path

import pytest
from shell_toys import toy_catalogue

from protocol.scripted import SCAN, Course
from protocol.test_decisions import EMERALD, TACE, drug, growing
from tme_sim.diagnostics import InputError
from tme_sim.protocol.after import scenario_text
from tme_sim.scenario import Scenario

FOLDER = Path(__file__).parents[2] / "configs" / "protocols"
LENVATINIB = '[[treatment]]\ndrug = "lenvatinib"\ndose = "12 mg"\nevery = "1 day"\nstart = "day 28"\nuntil = "progression"\n'
OWN = SCAN + drug("d", start="day 0", every="28 day", until="progression")
PHASED = EMERALD + 'until = "progression"\n'  # of its last treatment, in the maintenance


@pytest.fixture
def after(tmp_path):
    """The head of a scenario whose protocol is followed by therapies of these texts."""

    def write(*texts, last=()):
        paths = []
        for number, text in enumerate(texts):
            path = tmp_path / f"after{number}.toml"
            path.write_text(text)
            paths.append(str(path))
        return f"[protocol]\nafter_progression = {[*paths, *last]}\n"

    return write


def read(text, **changes):
    return Scenario.from_text(text, "p.toml", changes, catalogue=toy_catalogue())


def refused(text, match):
    with pytest.raises(InputError, match=match) as found:
        read(text)
    return found.value.problems


# --- when it begins ------------------------------------------------------------------------------------------------


def test_its_days_count_from_the_visit_that_ended_the_own_treatment(after):
    course = Course(after(LENVATINIB) + OWN, growing(100))
    assert course.days("d") == [0, 28, 56, 84]
    assert course.days("lenvatinib")[0] == 140  # progression is seen on day 112
    assert course.decided("ended") == [(112, "d", "progression")]
    assert Course(after(LENVATINIB) + OWN).days("lenvatinib") == []


def test_scans_are_read_afresh_so_that_the_old_progression_does_not_end_it(after):
    sizes = lambda day, given: [(50.0 if day < 100 else 65.0 if day < 250 else 80.0, 50.0)]  # noqa: E731
    assert Course(after(LENVATINIB) + OWN, sizes).days("lenvatinib")[-1] == 279  # progression from day 168 seen at 280


def test_nothing_of_a_protocol_with_phases_comes_back_when_scans_are_read_afresh(after):
    course = Course(after(LENVATINIB) + PHASED, growing(40))
    assert course.days("after") == [] and course.days("bev") == [] and course.days("tace") == [0]
    assert course.days("lenvatinib")[0] == 84
    assert [target for _, target, _ in course.decided("phase begins")] == ["TACE phase", "own treatment", "after progression"]


def test_the_end_of_tace_by_its_number_of_sessions_is_no_progression(after):
    course = Course(after(LENVATINIB) + PHASED.replace('"sessions at least 3"', '"sessions at least 2"'))
    assert course.days("after") and course.days("lenvatinib") == []


def test_treatment_by_dates_ends_with_the_rest(after):
    text = OWN + TACE + 'drug_load = "50 mg"\nstart = "day 0"\nevery = "56 day"\ntimes = 6\n'
    assert [e.day for e in read(text).calendar.of("tace")] == [0, 56, 112, 168, 224, 280]
    assert Course(after(LENVATINIB) + text, growing(100)).days("tace") == [0, 56]


def test_an_untreated_patient_gets_it_at_progression(after):
    assert Course(after(LENVATINIB) + SCAN, growing(100)).days("lenvatinib")[0] == 140


def test_treatments_must_agree_when_they_end(after):
    both = drug("d", every="28 day", start="day 0", until='["progression", "progression by mrecist"]') + drug(
        "b", "bevacizumab", "15 mg/kg", every="21 day", start="day 0", until="progression by mrecist")  # fmt: skip
    own = next(p for p in read(after(LENVATINIB) + SCAN + both).protocol.phase if p.ends_all)
    assert [str(c) for c in own.until] == ["progression by mrecist"]
    problems = refused(after(LENVATINIB) + SCAN + both.replace('["progression", ', '["untaceable"').replace(
        '"progression by mrecist"]', "]"), "end at different findings .d: untaceable; b: progression by mrecist.")  # fmt: skip
    assert len(problems) == 1
    refused(after(LENVATINIB) + OWN + drug("b", "bevacizumab", "15 mg/kg", every="21 day", start="day 0"),
            '"b" of the protocol goes on after progression, so nothing follows it; end it with until')  # fmt: skip


STEPS = """
[[phase]]
name = "further TACE"
start = "day 0"
until = ["untaceable"]
[[phase]]
name = "drugs"
follows = "further TACE"
start = "14 day after end of further TACE"
new_baseline = true
[[treatment]]
kind = "tace"
name = "further tace"
phase = "further TACE"
drug_load = "50 mg"
start = "day 14"
on_demand = { when = "viable diameter above 10 mm", maximum = 3 }
[[treatment]]
drug = "lenvatinib"
phase = "drugs"
dose = "12 mg"
every = "1 day"
until = "progression"
"""


def test_several_steps_follow_each_other(after):
    new = lambda day, given: [(50.0, 20.0), (20.0, 20.0) if day > 100 else (0.0, 0.0)]  # noqa: E731
    course = Course(after(STEPS) + OWN, new)
    assert course.days("further tace") == [126, 182, 238] and course.days("lenvatinib") == []
    course = Course(after(STEPS) + OWN, growing(100))  # by RECICL as well: no session, and the drug after its scan
    assert course.days("further tace") == []
    assert course.days("lenvatinib")[0] == 140


def test_sessions_after_progression_are_given_and_not_counted_as_the_protocols(after):
    from tme_sim.simulation import simulate

    again = '[[treatment]]\nkind = "tace"\nname = "again"\ndrug_load = "50 mg"\nstart = "day 14"\n'
    patient = '[[patient.lesion]]\nname = "main"\ndiameter = "30 mm"\ndoubling_time = "60 day"\n'
    run = '[run]\nduration = "250 day"\n[outputs]\nfigures = false\n'
    done = simulate(Scenario.from_text(patient + run + after(again) + SCAN, "p.toml"))
    assert [e["treatment"] for e in done.events if e["kind"] == "tace"] == ["again"]
    assert done.summary["n_tace"] == 0


# --- which of several ----------------------------------------------------------------------------------------------

BOTH = LENVATINIB + '[[treatment]]\ndrug = "pembrolizumab"\ndose = "200 mg"\nevery = "3 weeks"\nuntil = "progression"\n'
SORAFENIB = LENVATINIB.replace("lenvatinib", "sorafenib").replace("12 mg", "400 mg")


def test_the_first_that_a_run_can_hold_is_taken(after):
    done = read(after('title = "Both"\n' + BOTH, 'title = "Lenvatinib"\n' + LENVATINIB) + OWN)
    assert done.protocol.followed_by == "Lenvatinib" and "pembrolizumab" not in done.calendar.drugs
    kinase = OWN.replace("durvalumab", "sorafenib").replace("1500 mg", "400 mg")
    problems = refused(after(LENVATINIB, SORAFENIB) + kinase, "none of what is listed can follow this protocol")
    assert "sorafenib and lenvatinib are all kinase_inhibitor, and a run holds one drug of a role" in str(problems[0])
    assert "after1.toml: sorafenib was given before progression" in str(problems[0])
    assert '"none" as the last' in str(problems[0])
    assert read(after(LENVATINIB, last=("none; no slot",)) + kinase).protocol.followed_by is None


def test_none_is_as_if_nothing_were_said():
    assert read('[protocol]\nafter_progression = "none; deaths only"\n' + OWN).digest == read(OWN).digest


def test_an_override_names_it_from_where_the_user_stands(tmp_path, monkeypatch):
    (tmp_path / "after.toml").write_text(LENVATINIB)
    monkeypatch.chdir(tmp_path)
    changed = Scenario.from_text(OWN, "/elsewhere/p.toml", ["protocol.after_progression=after.toml"],
                                 catalogue=toy_catalogue())  # fmt: skip
    assert changed.protocol.followed_by == "after" and "lenvatinib" in changed.calendar.drugs
    again = Scenario.from_text(changed.to_toml(), "again.toml", catalogue=toy_catalogue())
    assert again.digest == changed.digest
    with pytest.raises(InputError, match='"after" follows this protocol already'):
        changed.changed({"protocol.after_progression": "after.toml"})


# --- what is wrong with it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('"lenvatinib"', '"lenvatinib" is no therapy after progression; write "none"'),
        ('["none", "a.toml"]', '"a.toml" stands after "none" and is never reached'),
        ("[]", 'is no therapy after progression; write "none"'),
        ('"missing.toml"', "missing.toml"),
    ],
)
def test_a_text_that_is_neither_is_refused(said, told):
    refused(f"[protocol]\nafter_progression = {said}\n" + OWN, told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LENVATINIB + '[[scan]]\nstart = "day 0"\n', "the visits of the protocol go on; remove it"),
        ('title = "Nothing"\n', "gives nothing; write a .*treatment"),
        ("phases = 1\n" + LENVATINIB, 'phases: is not known here, did you mean "phase"'),
        (STEPS.replace('follows = "further TACE"\n', ""), "several phases begin at once"),
        (STEPS.replace('start = "day 0"\n', 'follows = "drugs"\n'), "the first begins at progression"),
        (STEPS.replace('phase = "drugs"\n', ""), 'belongs to no phase of this file; give it phase = "..."'),
        (LENVATINIB + 'phase = "later"\n', "there is no ..phase.. in this file"),
        (LENVATINIB.replace("lenvatinib", "lenvatinb"), 'after0.toml:2: .*"lenvatinb" is not in the drug library'),
    ],
)
def test_mistakes_of_the_file_are_told_at_their_place(after, text, told):
    refused(after(text) + OWN, told)


# --- what is shipped -----------------------------------------------------------------------------------------------

SHIPPED = sorted(f"after/{p.name}" for p in (FOLDER / "after").glob("*.toml"))


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.toml")))
def test_every_shipped_protocol_can_be_followed(name):
    catalogue = toy_catalogue()
    alone = Scenario.from_text(scenario_text(name, f"{name}.toml"), str(FOLDER / "s"), catalogue=catalogue)
    followed = []
    for file in SHIPPED:
        text = scenario_text(name, f"{name}.toml", (file, "none"))
        done = Scenario.from_text(text, str(FOLDER / "s"), catalogue=catalogue)
        assert set(done.warnings) <= set(alone.warnings)
        followed.append(done.protocol.followed_by)
    assert "TACE by need" in followed
    assert len(SHIPPED) == 7
