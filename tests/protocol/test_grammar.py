"""Phases, rules and conditions: what is read, what is refused with place, reason and repair, what is warned of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.scripted import SCAN, scenario
from tme_sim import criteria
from tme_sim.criteria import default_settings
from tme_sim.diagnostics import InputError
from tme_sim.protocol import parse_condition, parse_when
from tme_sim.protocol.dates import END, START
from tme_sim.protocol.view import calendar_text, draw_calendar
from tme_sim.quantities import QuantityError
from tme_sim.thresholds import JUDGED_DAYS

TACE = '[[protocol.treatment]]\nkind = "tace"\nstart = "day 0"\n'
DEMAND = '[protocol.treatment.on_demand]\nwhen = "viable area above 50 %"\n'
DRUG = '[[protocol.treatment]]\ndrug = "durvalumab"\ndose = "1500 mg"\n'
TABLET = '[[protocol.treatment]]\ndrug = "lenvatinib"\ndose = "8 mg"\nstart = "day 0"\nevery = "1 day"\n'


def phase(name="one", **more):
    return f'[[protocol.phase]]\nname = "{name}"\n' + "".join(f'{k} = "{v}"\n' for k, v in more.items())


# --- conditions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "side", "bound", "criterion"),
    [
        ("Child-Pugh at least 8", "child-pugh", "at least", 8, ""),
        ("child pugh above 7", "child-pugh", "above", 7, ""),
        ("viable area above 50 %", "viable area", "above", 0.5, ""),
        ("new lesion above 1 cm", "new lesion", "above", 10, ""),
        ("bilirubin below 0.05 mmol/L", "bilirubin", "below", 50, ""),
        ("albi at most -1.39", "albi", "at most", -1.39, ""),
        ("new lesion", "new lesion", "above", 0, ""),
        ("progression", "progression", "", 0, "recist11"),
        ("progression by mrecist", "progression", "", 0, "mrecist"),
        ("refractory", "refractory", "", 0, "jsh"),
        ("untaceable", "untaceable", "", 0, ""),
        ("response", "response", "", 0, "mrecist"),
        ("resectable", "resectable", "", 0, ""),
        ("stable disease by recicl", "stable disease", "", 0, "recicl"),
        ("best response", "best response", "", 0, "mrecist"),
        ("Best complete response by RECIST11", "best complete response", "", 0, "recist11"),
        ("new intrahepatic progression", "new intrahepatic progression", "", 0, "recist11"),
        ("extrahepatic progression by mrecist", "extrahepatic progression", "", 0, "mrecist"),
        ("li-rads new lesion", "li-rads new lesion", "above", 0, ""),
        ("li-rads new lesion above 2 cm", "li-rads new lesion", "above", 20, ""),
        ("depth by recist11 at most -50 %", "depth", "at most", -0.5, "recist11"),
        ("time since response above 12 weeks", "time since response", "above", 84, "mrecist"),
        ("time since progression by recicl at least 1 day", "time since progression", "at least", 1, "recicl"),
    ],
)
def test_conditions(text, what, side, bound, criterion):
    found = parse_condition(text)
    assert (found.what, found.side, found.criterion) == (what, side, criterion) and found.bound == pytest.approx(bound)
    assert parse_condition(f"not {text}").negated and str(parse_condition(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("progresion", 'did you mean "progression"'),
        ("progression by resist", 'did you mean "mrecist"'),
        ("untaceable by kudo", 'write "untaceable" alone'),
        ("depth by resist at most -50 %", 'did you mean "mrecist"'),
        ("diameter by mrecist above 3 cm", 'diameter is not read by a criterion; write "diameter above ..."'),
        ("best respnse", 'did you mean "best response"'),
        ("time since response above 84", 'needs a unit: write "84 day"'),
        ("bilirubin above 51", 'needs a unit: write "51 umol/L"'),
        ("bilirubin above 3 mm", "the bound of bilirubin"),
        ("bilirubn above 51 umol/L", 'did you mean "bilirubin"'),
        ("MDSC above 3", "is no measure of a visit"),
        ("child-pugh at least 16", '"child-pugh at least 16" is never true: child-pugh lies between 5 and 15; correct the number'),
        ("albi above 2", "albi lies between -6 and 2"),
        ("afp below 0", "afp is never below 0"),
        ("depth at most -200 %", "depth is never below -1"),
        ("not viable area at least 0 %", "is never true"),
        ("", "is no condition"),
        (7, "is no condition"),
    ],
)
def test_what_is_no_condition(text, says):
    with pytest.raises(QuantityError) as caught:
        parse_condition(text)
    assert says in str(caught.value)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_condition_or_refused(text):
    try:
        assert parse_condition(text).what
    except QuantityError as error:
        assert str(error)


def test_dates_from_phases():
    start, end = parse_when("7 day after start of TACE phase"), parse_when("1 week before end of one")
    assert (start.offset, start.anchor, start.which, start.phase) == (7 * 1440, "TACE phase", START, True)
    assert (end.offset, end.anchor, end.which) == (-7 * 1440, "one", END)


# --- phases with fixed dates ---------------------------------------------------------------------------------------


def test_treatments_of_a_dated_phase_start_and_end_with_it():
    text = phase("one", start="day 10", end="day 60") + phase("two", follows="one", end="day 100")
    text += DRUG + 'name = "a"\nphase = "one"\nevery = "21 day"\n' + DRUG + 'name = "b"\nphase = "two"\nevery = "21 day"\n'
    text += DRUG.replace("durvalumab", "bevacizumab") + 'name = "c"\nphase = "two"\nstart = "7 day after start of two"\n'
    found = scenario(text).calendar
    assert not found.ruled and [e.day for e in found.of("a")] == [10, 31, 52]
    assert [e.day for e in found.of("b")] == [60, 81] and [e.day for e in found.of("c")] == [67]


def test_a_protocol_with_a_rule_separates_what_is_certain():
    found = scenario(SCAN + DRUG + 'start = "day 0"\nevery = "28 day"\nuntil = "progression"\n').calendar
    assert found.ruled and {e.kind for e in found.entries} == {"scan"}
    assert [e.day for e in found.planned][:3] == [0, 28, 56] and found.drugs == ("durvalumab",)


def test_planned_dates_of_a_phase_give_way_to_the_one_that_follows():
    text = phase("one", start="day 0", until="progression") + phase("two", follows="one")
    text += DRUG + 'name = "a"\nphase = "one"\nevery = "21 day"\n' + DRUG + 'name = "b"\nphase = "two"\nevery = "21 day"\n'
    found = scenario(SCAN + text).calendar
    assert [e.day for e in found.of("a")] == [0, 21, 42] and found.of("b")[0].day == 56  # the first look


# --- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DRUG + 'start = "day 0"\nevery = "28 day"\nuntil = "progression"\n',
         '"progression" is read at a scan, and this protocol has none; give scans'),
        (DRUG + 'start = "day 0"\nevery = "28 day"\nrule = [{ when = "albi above -1.39", then = "skip" }]\n',
         "is read at a visit, and this protocol has none"),
        (SCAN + phase(start="day 0", end="day 60") + phase("two", start="day 50") + DRUG + 'phase = "two"\n',
         '"two" starts on day 50, but "one" ends on day 60: two phases overlap; write follows = "one"'),
        (SCAN + phase(start="day 0", until="progression") + phase("two", follows="one") + phase("three", follows="one"),
         '"three" and "two" both follow "one", so they overlap'),
        (SCAN + phase(start="day 0") + phase("two", follows="one"), '"one" never ends, so "two" never starts'),
        (SCAN + phase(start="day 0", until="untaceable") + phase("two", follows="on"), 'is no phase of this protocol, did you mean "one"'),
        (SCAN + DRUG + 'phase = "one"\n', '"one" is no phase of this protocol; write one as [[phase]]'),
        (SCAN + phase(end="day 7"), 'a phase needs a "start", or "follows"'),
        (SCAN + phase(start="day 9", end="day 7"), "not after its start on day 9"),
        (SCAN + phase(start="day 0", until="progression") + phase("two", follows="one") + DRUG + 'phase = "two"\nstart = "day 70"\n',
         'is dated by itself, but the phase "two" starts only when the run decides; count from its start'),
        (SCAN + phase(start="day 0", until="progression") + phase("two", follows="one") + DRUG + 'name = "x"\nphase = "two"\n'
         + DRUG + 'start = "7 day after first x"\n', 'put this into that phase, or into one that follows it'),
        (SCAN + TACE + DEMAND + DRUG + 'start = "14 day after last tace"\n', "is repeated on demand, so only the run knows its last"),
        (SCAN + TACE + 'every = "28 day"\n' + DEMAND, 'is repeated on demand, so give one "start"'),
        (SCAN + TACE + DEMAND + "maximum = 1\n", "must be at least 2"),
        (SCAN + TACE + 'until = "sessions at least 5"\n' + DEMAND + "maximum = 4\n",
         "is never reached: there are at most 4 sessions of TACE; lower it"),
        (SCAN + TACE + 'until = "viable area above 50 %"\n' + DEMAND, "asks for a session and ends the treatment; keep one"),
        (SCAN + TACE + 'until = "untaceable"\nrule = [{ when = "untaceable", then = "skip" }]\n', "so this rule never acts; remove it"),
        (SCAN + TACE + 'rule = [{ when = "untaceable", then = "reduce" }]\n', "a procedure has no dose levels"),
        (SCAN + TABLET + 'rule = [{ when = "untaceable", then = "reduce" }]\n', "so give the reduced doses: levels"),
        (SCAN + TABLET + 'levels = ["12 mg"]\nuntil = "untaceable"\n', "12 mg is no reduction of 8 mg; levels go down"),
        (SCAN + TABLET + 'rule = [{ when = "untaceable", then = "skip" }]\n', 'is not left out dose by dose; write then = "interrupt"'),
        (SCAN + TABLET + 'rule = [{ when = "untaceable", then = "stop" }]\n', '"stop" is not one of skip, reduce, interrupt, discontinue'),
        (SCAN + TABLET + 'until = "untaceable"\nhold = [{ around = "tace", before = "10 day", after = "20 day" }]\n' + TACE
         + 'every = "28 day"\ntimes = 3\n', "leaves no dosing day; shorten it"),
        (SCAN + TABLET + 'until = "untaceable"\nhold = [{ around = "durvalumab", after = "2 day" }]\n' + DRUG + 'start = "day 0"\n',
         "is no procedure; a treatment that rules change is held around one"),
        (SCAN + DRUG + 'start = "day 0"\nuntil = "progresion"\nevery = "9 day"\n', 'did you mean "progression"'),
        (SCAN + DRUG.replace("durvalumab", "durvalumob") + 'start = "day 0"\nuntil = "progression"\nevery = "9 day"\n',
         'did you mean "durvalumab"'),
        (SCAN + '[[protocol.treatment]]\nkind = "sbrt"\nstart = "day 0"\ndose = "500 Gy"\n', "must be at most 100 Gy"),
        (SCAN + '[[protocol.treatment]]\nkind = "ablate"\nstart = "day 0"\n', 'did you mean "ablation"'),
        ("[protocol]\nphase = 3\n", "write [[phase]] with double brackets"),
        (SCAN + TACE + TABLET + 'times = 3\nuntil = "progression"\nhold = [{ around = "tace", after = "4 day" }]\n',
         'treatment[2].hold: leaves no day on which "lenvatinib" is given; shorten the hold or move the start'),
        (SCAN + TACE + 'every = "28 day"\ntimes = 4\n' + TABLET + 'times = 80\nuntil = "progression"\nhold = [{ around = "tace", '
         'after = "15 day" }, { around = "tace", before = "13 day" }]\n', "leaves no day on which"),
        (SCAN + phase("a", start="day 0", end="day 60", until="progression") + phase("b", follows="a") + phase("c", start="day 200"),
         'phase[3]: "c" starts on day 200, but "b" has no end date: two phases overlap; write follows = "b"'),
        (SCAN + phase("a", start="day 0", end="day 60", until="progression") + phase("b", follows="a", end="150 day after start of b")
         + phase("c", start="day 200"), '"b" may last until day 210: two phases overlap'),
        (phase("a", start="day 5", end="day 60") + DRUG + 'phase = "a"\nat = ["day 10", "day 70"]\n',
         'treatment[1].at: day 70 lies after its phase "a" ends; move it or change the phase'),
        (phase("a", start="day 5", end="day 60") + DRUG + 'phase = "a"\nat = ["day 1", "day 20"]\n',
         'day 1 lies before its phase "a" starts'),
        (DRUG + 'start = "day 0"\nevery = "3 weeks"\ntimes = 2\nloading = [{ dose = "1000 mg", times = 3 }]\n',
         'loading: has 3 loading doses, but "durvalumab" is given 2 times; give fewer'),
        (SCAN + TACE + DEMAND + "maximum = 2\nmaximum_per_lesion = 5\n",
         "maximum_per_lesion: 5 sessions of one lesion are never reached: there are at most 2 in all; lower it"),
        (TACE + 'drug = "doxorubicn"\n', 'drug: "doxorubicn" is not a drug that a session carries here, did you mean "doxorubicin"?'),
        (TACE + 'drug = "durvalumab"\n', 'write drug = "doxorubicin" with a load that does as much'),
        (SCAN + DRUG + 'start = "day 0"\nevery = "28 day"\nuntil = ["progression", "day 365"]\n',
         '"day 365" is a date, and these are conditions; for both give "times" as well, or put it into a [[phase]]'),
        (DRUG + 'start = "day 0"\nroute = "oral"\n',
         'route: durvalumab is not given by the route "oral": its library entry has no absorption; write route = "intravenous"'),
        (DRUG + 'start = "day 0"\nroute = "hepatic_artery"\n', "only cytotoxic drugs are infused there"),
        (TACE + 'targets = ["a", "a"]\n', '"targets" names a lesion twice'),
        ('[[protocol.treatment]]\nkind = "sbrt"\nstart = "day 0"\nfractions = 10\nevery = "7 day"\ntimes = 2\n',
         '"sbrt" on day 7 comes into the 12 days of "sbrt" (two sessions)'),
        ('[protocol]\nsource = ["a", 3]\n', "source: must be text in double quotes, or a list of texts, not a whole number"),
        (DRUG.replace('"1500 mg"', '["1500 mg"]') + 'start = "day 0"\n', "dose: must be a number with its unit as text, not a list"),
        (DRUG + 'start = "day 0"\nevery = { a = 1 }\n', "every: must be a number with its unit as text, not a table"),
        (SCAN + TACE + 'rule = [{ when = "untaceable", then = ["skip"] }]\n', "then: a list is not one of skip, reduce"),
    ],
)  # fmt: skip
def test_rules_that_cannot_work_are_refused_with_place_and_repair(text, says):
    with pytest.raises(InputError) as caught:
        scenario(text)
    assert says in str(caught.value) and str(caught.value).startswith("p.toml:")


def test_all_mistakes_are_told_at_once():
    text = DRUG + 'start = "day 0"\nuntil = "progression"\nevery = "9 day"\n' + phase(start="day 9", end="day 7")
    with pytest.raises(InputError) as caught:
        scenario(text)
    assert len(caught.value.problems) == 2


def test_an_unknown_drug_is_told_beside_mistakes_that_hide_the_rest():
    text = DRUG.replace("durvalumab", "durvalumb") + 'start = "dya 0"\n[[protocol.treatment]]\nkind = "tcae"\ndrug = "x"\n'
    with pytest.raises(InputError) as caught:
        scenario(text)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 3 and 'did you mean "durvalumab"' in said[0], said


def test_phases_that_meet_or_leave_a_gap_do_not_overlap():
    text = phase("a", start="day 0", end="day 60", until="progression") + phase("c", start="day 200")
    assert scenario(SCAN + text + phase("b", follows="a", end="140 day after start of b")).calendar.phases


def test_what_may_be_meant_but_can_hardly_be_is_a_warning():
    often = DEMAND + 'minimum_interval = "28 day"\nmaximum = 4\n'
    text = TACE + often + TABLET + 'until = "progression"\nhold = [{ around = "tace", before = "10 day", after = "30 day" }]\n'
    found = scenario(SCAN + text).calendar.warnings
    assert any("as long as its minimum interval, which leaves no dosing day" in w for w in found)
    assert any('tace: carries no drug; give it drug_load = "50 mg"' in w for w in found)
    for carrying in ('drug_load = "50 mg"\n', 'technique = "bland"\n'):
        assert not any("carries no drug" in w for w in scenario(TACE + carrying).calendar.warnings)


def test_a_hold_that_begins_before_the_session_is_asked_for_is_a_warning():
    hold = TABLET + 'until = "progression"\nhold = [{ around = "tace", before = "10 day" }]\n'
    late = scenario(SCAN + TACE + DEMAND + 'maximum = 3\ndelay = "7 day"\n' + hold).calendar.warnings
    assert any("begins 10 day before each tace, but a scan asks for one only 7 day before" in w for w in late)
    in_time = scenario(SCAN + TACE + DEMAND + "maximum = 3\n" + hold).calendar.warnings
    assert not any("begins late" in w for w in in_time)


def test_refractoriness_that_no_scan_can_judge_is_a_warning():
    assert default_settings()[criteria.JUDGED_FROM] == JUDGED_DAYS == 28

    def told(scans, delay, apart, by, more=""):
        scan = f'[[protocol.scan]]\nstart = "day 0"\nevery = "{scans} day"\n'
        demand = f'[protocol.treatment.on_demand]\nwhen = "viable area above 50 %"\ndelay = "{delay} day"\n'
        text = TACE + f'until = "refractory by {by}"\n' + demand + f'minimum_interval = "{apart} day"\n' + more
        return any("a session is judged from 28 days on" in w for w in scenario(scan + text).calendar.warnings)

    assert told(28, 14, 28, "jsh") and told(28, 14, 28, "easl")  # the next session follows a fortnight after a scan
    assert not told(56, 14, 28, "jsh") and not told(28, 14, 60, "jsh") and not told(28, 0, 28, "jsh")
    assert not told(28, 14, 28, "jsh", "maximum = 3\n")  # the last one is judged, as the first
    train = SCAN.replace("56", "21") + TACE + 'every = "21 day"\ntimes = 3\nuntil = "refractory"\n'
    assert any("judged from 28 days" in w for w in scenario(train).calendar.warnings)


def test_reduced_levels_without_a_rule_and_a_phase_without_an_end_are_warnings():
    assert any("its levels are never used" in w for w in scenario(TABLET + 'times = 9\nlevels = ["4 mg"]\n').warnings)
    for end, said in (({}, True), ({"end": "day 90"}, False), ({"until": "progression"}, False)):
        text = SCAN + phase(start="day 0", **end) + DRUG + 'phase = "one"\nevery = "28 day"\n'
        assert any("goes on until the run ends" in w for w in scenario(text).warnings) is said, end


def test_what_is_odd_is_a_warning():
    assert any("goes on until the run ends" in w for w in scenario(DRUG + 'start = "day 0"\nevery = "9 day"\n').warnings)
    once = SCAN.replace('every = "56 day"\n', "") + DRUG + 'start = "day 0"\nevery = "9 day"\nuntil = "progression"\n'
    assert any("can hardly be seen at the only scan" in w for w in scenario(once).warnings)
    assert "phase one: nothing belongs to it" in scenario(phase(start="day 0", end="day 9")).warnings


# --- shown -----------------------------------------------------------------------------------------------------------


def test_the_text_says_what_visits_decide(tmp_path):
    text = SCAN + phase(start="day 0", until="progression") + TACE + 'phase = "one"\n' + DEMAND + "maximum = 4\n"
    calendar = scenario(text + TABLET + 'until = "untaceable"\nhold = [{ around = "tace", before = "2 day", after = "3 day" }]\n').calendar
    shown = calendar_text(calendar)
    assert "phase one: from day 0, until progression" in shown
    assert "tace: again 14 d after a scan with viable area above 50 %, 28 d apart, at most 4 in all" in shown
    assert "lenvatinib: until untaceable" in shown and "off from 2 d before to 3 d after each tace" in shown
    late = phase("two", follows="one", start="7 day after end of one") + DRUG + 'phase = "two"\nevery = "28 day"\n'
    delayed = 'until = "untaceable"\nhold = [{ around = "tace", after = "3 day", policy = "delay" }]\n'
    shown = calendar_text(scenario(text + late + TABLET + delayed).calendar)
    assert "phase two: after one, not before 7 d after its end" in shown
    assert "to 3 d after each tace; a dose due then is given when it ends" in shown
    assert draw_calendar(calendar, tmp_path / "c.png", "t").read_bytes().startswith(b"\x89PNG")


def test_a_long_title_stands_in_two_lines_of_a_taller_picture(tmp_path):
    heights = [
        int.from_bytes(draw_calendar(scenario(SCAN).calendar, tmp_path / f"{n}.png", "title " * n).read_bytes()[20:24])
        for n in (1, 20)
    ]
    assert heights[1] > heights[0]
