"""The decision step on scripted patients: what is given when, and the reason that is told."""

import numpy as np
import pytest

from protocol.scripted import SCAN, Course

TACE = '[[protocol.treatment]]\nkind = "tace"\n'
DEMAND = '[protocol.treatment.on_demand]\nwhen = ["viable area above 50 %", "new lesion above 10 mm"]\n'


def drug(name, what="durvalumab", dose="1500 mg", **more):
    lines = [f'name = "{name}"', f'drug = "{what}"', f'dose = "{dose}"']
    lines += [f"{k} = {v if isinstance(v, int) or v[0] in '[{' else chr(34) + v + chr(34)}" for k, v in more.items()]
    return "[[protocol.treatment]]\n" + "\n".join(lines) + "\n"


def growing(day_of_progression):
    return lambda day, given: [(50.0, 50.0)] if day < day_of_progression else [(65.0, 65.0)]


# --- trains until progression --------------------------------------------------------------------------------------


def test_a_train_ends_at_the_scan_that_sees_progression_and_not_before():
    course = Course(SCAN + drug("d", start="day 0", every="21 day", until="progression"), growing(100))
    assert course.days("d") == [0, 21, 42, 63, 84, 105]  # grown since day 100, seen on day 112
    assert course.decided("ended") == [(112, "d", "progression")]


def test_a_train_whose_condition_never_comes_goes_on_to_its_number():
    course = Course(SCAN + drug("d", start="day 0", every="21 day", times=5, until="progression"))
    assert course.days("d") == [0, 21, 42, 63, 84] and course.decided("ended") == []


def test_a_drug_of_the_visit_that_sees_progression_is_not_given():
    course = Course(SCAN + drug("d", start="day 0", every="28 day", until="progression"), growing(50))
    assert course.days("d") == [0, 28]


def test_criteria_differ():
    necrotic = lambda day, given: [(61.0 if day > 100 else 50.0, 20.0)]  # noqa: E731
    text = drug("a", start="day 0", every="28 day", until="progression by recist11")
    assert Course(SCAN + text, necrotic).days("a")[-1] == 84
    text = drug("a", start="day 0", every="28 day", until="progression by mrecist")
    assert Course(SCAN + text, necrotic).days("a")[-1] == 392


def test_tablets_stop_at_progression_and_are_told_day_by_day():
    text = drug("t", "lenvatinib", "8 mg", start="day 0", every="1 day", until="progression")
    course = Course(SCAN + text, growing(100))
    assert course.days("t") == list(range(112))
    assert [(d, what) for d, name, what, _ in course.jumps] == [(0, 8.0), (112, "off")]


def test_treatment_may_end_at_a_response_or_when_a_surgeon_could_operate():
    shrinking = lambda day, given: [(120.0, 120.0) if day < 30 else (80.0, 80.0) if day < 150 else (40.0, 40.0)]  # noqa: E731
    text = SCAN + drug("d", start="day 0", every="28 day", until="response by recist11")
    course = Course(text, shrinking)
    assert course.days("d") == [0, 28] and course.decided("ended") == [(56, "d", "response by recist11")]
    for lesions, end in ((shrinking, 0), (lambda day, given: shrinking(day, given) * 4, None)):
        course = Course(text.replace("response by recist11", "resectable"), lesions)
        assert course.decided("ended") == ([(end, "d", "resectable")] if end is not None else [])
    ill = Course(text.replace("response by recist11", "resectable"), shrinking, points=lambda day: 7.0 if day < 100 else 5.0)
    assert ill.decided("ended") == [(112, "d", "resectable")] and ill.days("d") == [0, 28, 56, 84]
    small = text.replace('"response by recist11"', '"not resectable"')
    assert Course(small, shrinking, points=lambda day: 5.0 if day < 100 else 7.0).decided("ended") == [(112, "d", "not resectable")]


def seen_first(until, lesions, **flags):
    """Day and reason of the scan that ends a treatment by a condition, None if none does."""
    text = SCAN + drug("d", start="day 0", every="28 day", until=until)
    ended = Course(text, lesions, **flags).decided("ended")
    assert len(ended) < 2 and all(reason == until for _, _, reason in ended)
    return ended[0][0] if ended else None


def one(*sizes, viable=None):
    """A lesion that scans (every 56 days from day 0) see with these diameters, the last of them to the end."""
    at = lambda row, day: row[min(int(day // 56), len(row) - 1)]  # noqa: E731
    return lambda day, given: [(at(sizes, day), at(viable or sizes, day))]


def beside(first, *others):
    """Lesions side by side."""
    return lambda day, given: [pair for course in (first, *others) for pair in course(day, given)]


@pytest.mark.parametrize(
    ("until", "lesions", "day"),
    [
        ("stable disease by recist11", one(50, 30, 34, 60), None),  # partial response, then progression
        ("stable disease by recist11", one(50, 30, 35.5, 35.5), 112),
        ("best response by recist11", one(50, 48, 30), 112),
        ("best response by recist11", one(50, 65, 30), None),  # best response ends with progression
        ("not best response by recist11", one(50, 48, 30), 56),
        ("best response by mrecist", one(50, viable=(50, 30)), 56),
        ("best complete response by mrecist", one(50, viable=(50, 30, 4)), 112),
        ("best complete response by recist11", one(50, viable=(50, 30, 4)), None),
        ("best complete response by recicl", one(50, viable=(50, 30, 4)), 112),
        ("best stable disease by recicl", one(50, 48), 56),
        ("best progressive disease by recist11", one(50, 65), 56),
        ("best progressive disease by recist11", one(50, 50, 65), None),
        ("existing intrahepatic progression", one(50, 50, 65), 112),
        ("existing intrahepatic progression by mrecist", one(50, 50, 65, viable=(50, 20)), None),
        ("new intrahepatic progression", one(50, 50, 65), None),
        ("new intrahepatic progression", beside(one(50), one(0, 0, 14)), 112),
        ("new intrahepatic progression by recicl", beside(one(50), one(0, 0, 14)), None),
        ("li-rads new lesion", beside(one(50), one(0, 0, 14)), 112),
        ("li-rads new lesion above 20 mm", beside(one(50), one(0, 0, 14, 22)), 168),
        ("depth by recist11 at most -50 %", one(50, 40, 24), 112),
        ("depth by mrecist at most -50 %", one(50, viable=(50, 20)), 56),
        ("depth by recicl at most -50 %", one(50, viable=(50, 34)), 56),  # of an area
        ("time since response by recist11 at least 112 day", one(50, 30), 168),
        ("time since progression by recist11 above 56 day", one(50, 65), 168),
        ("not time since progression by recist11 above 56 day", one(50), None),  # unknown, so neither it nor its opposite
        ("tace progression", one(50, 50, 60), 112),
        ("untaceable", one(50, 50, 60), 112),
    ],
)
def test_rules_read_what_the_observers_read(until, lesions, day):
    assert seen_first(until, lesions) == day


def test_rules_read_where_progression_was_and_how_a_new_lesion_looks():
    course = beside(one(50), one(0, 0, 14))
    assert seen_first("extrahepatic progression", course, outside=(1,)) == 112
    assert seen_first("new intrahepatic progression", course, outside=(1,)) is None
    assert seen_first("extrahepatic progression", course) is None
    assert seen_first("li-rads new lesion", course, pale=(1,)) is None
    assert seen_first("new lesion", course, pale=(1,)) == 112


def test_readings_of_a_new_baseline_forget_the_old_ones():
    text = (
        SCAN
        + '[[protocol.phase]]\nname = "first"\nstart = "day 0"\nuntil = "progression"\n'
        + '[[protocol.phase]]\nname = "second"\nfollows = "first"\nstart = "14 day after end of first"\nnew_baseline = true\n'
        + drug("a", every="28 day", phase="first")
        + drug("s", every="28 day", phase="second", until="depth by recist11 at most -30 %")
    )
    course = Course(text, one(50, 30, 60))
    assert course.days("s")[:3] == [126, 154, 182] and not [d for d in course.decided("ended") if d[1] == "s"]


# --- on demand -----------------------------------------------------------------------------------------------------


def shrinking(day, given):
    """Each session halves the viable area; it grows back over 100 days."""
    since = day - given[-1] if given and given[-1] < day else None
    return [(50.0, 50.0 if since is None else min(50.0, 33.0 + 0.17 * since))]


def test_sessions_come_when_a_scan_asks_and_not_without_need():
    course = Course(SCAN + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "7 day"\n', shrinking)
    # day 56: (33 + 0.17 * 56) = 42.5 mm, 72 % of the area; so again on day 63
    assert course.days("tace")[:3] == [0, 63, 119]
    assert course.decided("asked for")[0] == (56, "tace", "viable area above 50 %")
    assert Course(SCAN + TACE + 'start = "day 0"\n' + DEMAND, lambda d, g: [(50.0, 50.0 if not g else 30.0)]).days(
        "tace") == [0]  # fmt: skip


def test_a_new_lesion_asks_for_a_session_and_is_treated_with_it():
    lesions = lambda day, given: [(50.0, 20.0 if given else 50.0), (0.0, 0.0) if day < 60 else (15.0, 15.0)]  # noqa: E731
    course = Course(SCAN + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "14 day"\nmaximum = 2\n', lesions)
    assert course.days("tace") == [0, 126]
    treated = [(day, lesion) for day, name, _, lesion in course.jumps if name == "tace" and lesion >= 0]
    assert treated == [(0, 0), (126, 0), (126, 1)]


@pytest.mark.parametrize(
    ("limits", "days"),
    [
        ('delay = "0 day"', [0, 56, 112, 168, 224, 280, 336, 392]),
        ('delay = "0 day"\nminimum_interval = "100 day"', [0, 100, 200, 300, 400]),
        ('delay = "0 day"\nmaximum = 3', [0, 56, 112]),
        ('delay = "0 day"\nmaximum_per_lesion = 2', [0, 56]),
    ],
)
def test_interval_and_limits_of_sessions(limits, days):
    assert Course(SCAN + TACE + 'start = "day 0"\n' + DEMAND + limits + "\n").days("tace") == days


def test_the_reason_of_a_limit_is_told():
    course = Course(SCAN + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "0 day"\nmaximum = 2\n')
    assert course.decided("left out") == [(112, "tace", "as many sessions as allowed")]
    course = Course(SCAN + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "0 day"\nmaximum_per_lesion = 2\n')
    assert course.decided("left out")[0] == (112, "tace", "no lesion left to treat")


def test_a_patient_whose_liver_fails_is_not_embolised():
    text = SCAN + TACE + 'start = "day 0"\nrule = [{ when = "child-pugh at least 8", then = "skip" }]\n' + DEMAND
    course = Course(text + 'delay = "0 day"\n', points=lambda day: 8.0 if 100 < day < 200 else 6.0)
    assert course.days("tace") == [0, 56, 224, 280, 336, 392]
    assert course.decided("left out") == [
        (112, "tace", "child-pugh at least 8"), (168, "tace", "child-pugh at least 8")]  # fmt: skip


def test_sessions_end_when_refractory():
    text = SCAN + TACE + 'start = "day 0"\nuntil = "refractory by jsh"\n' + DEMAND + 'delay = "7 day"\n'
    course = Course(text)  # nothing shrinks: two insufficient sessions in a row
    assert course.days("tace") == [0, 63] and course.decided("ended") == [(112, "tace", "refractory by jsh")]
    text = text.replace("jsh", "easl")
    assert Course(text).decided("ended") == [(112, "tace", "refractory by easl")]
    assert Course(text, lambda d, g: [(50.0, 50.0 if not g else 34.0)]).decided("ended") == []


def test_a_planning_scan_asks_for_sessions_and_reads_no_progression():
    planning = '[[protocol.scan]]\nname = "plan"\nplanning = true\nstart = "day 28"\nevery = "28 day"\n'
    text = SCAN.replace("56 day", "112 day") + drug("d", start="day 0", every="7 day", until="progression")
    course = Course(text + planning + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "7 day"\nmaximum = 4\n', growing(20))
    assert course.days("tace") == [0, 35, 63, 91]
    assert course.decided("ended") == [(112, "d", "progression")]


# --- holds ---------------------------------------------------------------------------------------------------------

HOLD = '[{ around = "tace", before = "2 day", after = "3 day" }]'


def test_tablets_are_held_around_sessions_on_demand():
    text = SCAN + drug("t", "lenvatinib", "8 mg", start="day -10", every="1 day", hold=HOLD, until="progression")
    course = Course(text + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "14 day"\nmaximum = 2\n', days=100)
    assert course.days("tace") == [0, 70]
    off = set(range(-10, 101)) - set(course.days("t"))
    assert off == {-2, -1, 0, 1, 2, 68, 69, 70, 71, 72}
    assert [d for d, what, *_ in course.told if what == "interrupted"] == [-2, 68]


def test_a_hold_that_would_begin_before_the_decision_begins_at_once():
    text = SCAN + drug("t", "lenvatinib", "8 mg", start="day -10", every="1 day", hold=HOLD, until="progression")
    course = Course(text + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "1 day"\nmaximum = 2\n', days=100)
    assert course.days("tace") == [0, 57]
    assert set(range(50, 65)) - set(course.days("t")) == {56, 57, 58, 59}


@pytest.mark.parametrize(("policy", "days"), [("skip", [1, 22, 43, 85]), ("delay", [3, 22, 43, 66, 85])])
def test_infusions_in_a_hold_are_left_out_or_delayed(policy, days):
    hold = f'[{{ around = "tace", before = "2 day", after = "3 day", policy = "{policy}" }}]'
    text = drug("d", start="day 1", every="21 day", hold=hold, times=5, until="progression")
    course = Course(SCAN + text + TACE + 'start = "day 0"\n' + DEMAND + 'delay = "7 day"\nmaximum = 2\n')
    assert course.days("tace") == [0, 63]
    assert course.days("d") == (days if policy == "delay" else [22, 43, 85])


def test_tablets_go_on_when_the_session_they_were_held_for_is_left_out():
    rule = 'rule = [{ when = "bilirubin above 50 umol/L", then = "skip" }]\n'
    text = SCAN + drug("t", "lenvatinib", "8 mg", start="day -10", every="1 day", hold=HOLD, until="progression")
    course = Course(text + TACE + 'start = "day 0"\n' + rule, bilirubin=lambda day: 60.0, days=60)
    assert course.days("tace") == [] and course.decided("left out") == [(0, "tace", "bilirubin above 50 umol/L")]
    assert set(range(-10, 61)) - set(course.days("t")) == {-2, -1, 0, 1, 2}


# --- dose levels -----------------------------------------------------------------------------------------------------

LEVELS = {"levels": '["8 mg", "4 mg"]', "until": "progression"}


def test_doses_are_reduced_step_by_step_and_ended_below_the_last():
    rule = '[{ when = "child-pugh at least 7", then = "reduce" }]'
    text = SCAN + drug("t", "lenvatinib", "12 mg", start="day 0", every="1 day", rule=rule, **LEVELS)
    course = Course(text, points=lambda day: 7.0 if day > 50 else 5.0)
    given = dict(course.doses("t"))
    assert [given[d] for d in (0, 55, 56, 111, 112, 167)] == [12, 12, 8, 8, 4, 4] and max(given) == 167
    assert course.decided("ended") == [(168, "t", "no lower dose level")]


def test_one_bad_visit_reduces_once():
    visits = '[[protocol.visit]]\nstart = "day 60"\nevery = "7 day"\ntimes = 3\n'
    rule = '[{ when = "child-pugh at least 7", then = "reduce" }]'
    text = SCAN + visits + drug("t", "lenvatinib", "12 mg", start="day 0", every="1 day", rule=rule, **LEVELS)
    course = Course(text, points=lambda day: 7.0 if 50 < day < 80 else 5.0)
    assert {mg for _, mg in course.doses("t")} == {12, 8}


def test_an_interruption_lasts_as_long_as_its_condition_is_seen():
    rule = '[{ when = "bilirubin above 50 umol/L", then = "interrupt" }]'
    visits = '[[protocol.visit]]\nstart = "day 7"\nevery = "7 day"\n'
    text = SCAN + visits + drug("t", "lenvatinib", "12 mg", start="day 0", every="1 day", rule=rule, until="progression")
    course = Course(text, bilirubin=lambda day: 60.0 if 30 < day < 50 else 10.0, days=100)
    assert set(range(101)) - set(course.days("t")) == set(range(35, 56))
    assert course.decided("interrupted") == [(35, "t", "bilirubin above 50 umol/L")]
    assert course.decided("goes on")[0][0] == 56


def test_infusions_are_interrupted_and_discontinued_too():
    rule = '[{ when = "child-pugh at least 8", then = "interrupt" }, { when = "child-pugh at least 10", then = "discontinue" }]'
    text = SCAN + drug("d", start="day 0", every="14 day", rule=rule, until="progression")
    course = Course(text, points=lambda day: 5 if day < 40 else 8 if day < 80 else 5 if day < 150 else 10)
    assert course.days("d") == [0, 14, 28, 84, 98, 112, 126, 140]
    assert course.decided("ended") == [(154, "d", "child-pugh at least 10")]


# --- phases ----------------------------------------------------------------------------------------------------------

EMERALD = (
    SCAN
    + '[[protocol.phase]]\nname = "TACE phase"\nstart = "day 0"\nend = "day 112"\nuntil = ["progression", "sessions at least 3"]\n'
    + '[[protocol.phase]]\nname = "maintenance"\nfollows = "TACE phase"\nstart = "14 day after last tace"\n'
    + TACE + 'phase = "TACE phase"\n' + DEMAND + 'delay = "7 day"\n'
    + drug("with TACE", start="7 day after first tace", every="28 day", phase="TACE phase")
    + drug("after", dose="1120 mg", every="21 day", phase="maintenance", until="progression")
    + drug("bev", "bevacizumab", "15 mg/kg", start="7 day after start of maintenance", every="21 day", phase="maintenance")
)  # fmt: skip


def test_a_phase_waits_for_the_last_session_before_it():
    course = Course(EMERALD, lambda d, g: [(50.0, 50.0 if len(g) < 2 else 20.0)])
    assert course.days("tace") == [0, 63] and course.days("with TACE") == [7, 35, 63, 91]
    assert course.decided("phase begins") == [(0, "TACE phase", ""), (112, "maintenance", "")]
    assert course.days("after")[:2] == [112, 133] and course.days("bev")[:2] == [119, 140]


def test_a_phase_ends_by_its_number_of_sessions_and_the_next_keeps_its_distance():
    course = Course(EMERALD.replace('"sessions at least 3"', '"sessions at least 2"'))
    assert course.days("tace") == [0, 63] and course.decided("phase ends") == [(63, "TACE phase", "sessions at least 2")]
    assert course.days("after")[0] == 77 and course.days("with TACE") == [7, 35]


def test_after_progression_in_the_first_phase_nothing_of_the_second_is_given():
    course = Course(EMERALD, growing(40))
    assert course.decided("phase ends")[0] == (56, "TACE phase", "progression")
    assert course.days("after") == [] and course.days("tace") == [0]


def test_a_second_line_is_read_from_a_baseline_of_its_own():
    text = (
        SCAN
        + '[[protocol.phase]]\nname = "first"\nstart = "day 0"\nuntil = "progression"\n'
        + '[[protocol.phase]]\nname = "second"\nfollows = "first"\nstart = "14 day after end of first"\nnew_baseline = true\n'
        + drug("a", every="28 day", phase="first")
        + drug("s", "sorafenib", "400 mg", every="12 h", phase="second", until="progression")
    )
    sizes = lambda day, given: [(50.0 if day < 100 else 65.0 if day < 250 else 80.0, 50.0)]  # noqa: E731
    course = Course(text, sizes)
    assert course.days("a") == [0, 28, 56, 84]
    assert course.days("s")[0] == 126 and course.days("s")[-1] == 279.5  # baseline 168, progression seen at 280
    fixed = text.replace("new_baseline = true\n", "")
    assert Course(fixed, sizes).days("s")[-1] == 167.5  # without one, the old progression ends it at the next scan


def test_memory_of_a_batch_points_into_joined_groups():
    from tme_sim.protocol import places as p
    from tme_sim.protocol.rules import shift_groups

    memory = Course(EMERALD).memory
    moved = memory.copy()
    shift_groups(moved, 7)
    parts = slice(int(memory[p.AT_PARTS]), int(memory[p.AT_COUNTS]))
    assert np.array_equal(moved[parts].reshape(-1, 4)[:, p.G_GROUP], memory[parts].reshape(-1, 4)[:, p.G_GROUP] + 7)
    moved[parts] = memory[parts]
    assert np.array_equal(moved, memory, equal_nan=True)


@pytest.mark.parametrize("hold", ["", HOLD])
def test_an_intake_that_every_look_stops_or_starts_finds_room_in_queue_and_log(hold):
    visits = '[[protocol.visit]]\nstart = "day 3"\nevery = "7 day"\n'
    rule = '[{ when = "child-pugh at least 7", then = "interrupt" }]'
    tace = TACE + 'name = "tace"\nstart = "day 0"\n' + DEMAND + 'minimum_interval = "28 day"\n'
    text = SCAN + visits + tace + drug("t", "lenvatinib", "8 mg", start="day 0", every="1 day", rule=rule,
                                       until="progression", **({"hold": hold} if hold else {}))  # fmt: skip
    course = Course(text, points=lambda day: 7.0 if int(day) // 7 % 2 else 5.0, days=1000)
    assert len(course.decided("interrupted")) > 60  # and nothing overflows, which the course itself looks at
