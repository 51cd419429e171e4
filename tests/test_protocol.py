"""Protocols: dates of every kind, doses, holds, and calendars that cannot be meant."""

import csv
import datetime
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_toys import toy_catalogue

from tme_sim.diagnostics import InputError
from tme_sim.protocol import dose_basis, parse_when
from tme_sim.protocol.dosing_table import dosing_table
from tme_sim.protocol.view import calendar_text, draw_calendar
from tme_sim.quantities import QuantityError
from tme_sim.scenario import Scenario
from tme_sim.schedule import Body

TACE = '[[protocol.treatment]]\nkind = "tace"\nstart = "day 0"\nevery = "28 day"\ntimes = 3\n'


def scenario(text, **changes):
    return Scenario.from_text(f'[run]\nduration = "200 day"\n{text}', "p.toml", changes, catalogue=toy_catalogue())


def days(text, name):
    return [e.day for e in scenario(text).calendar.of(name)]


def told(text):
    with pytest.raises(InputError) as caught:
        scenario(text)
    return str(caught.value)


def drug(name="drug", what="bevacizumab", dose="15 mg/kg", **more):
    lines = [f'name = "{name}"', f'drug = "{what}"', *([f'dose = "{dose}"'] if dose else [])]
    lines += [f"{k} = {v if isinstance(v, int) or v[0] in '[{' else chr(34) + v + chr(34)}" for k, v in more.items()]
    return "[[protocol.treatment]]\n" + "\n".join(lines) + "\n"


# --- dates ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset", "anchor", "which"),
    [
        ("day 7", 7 * 1440, "", 0),
        ("day -28", -28 * 1440, "", 0),
        ("day 1.5", 2160, "", 0),
        ("14 day after last tace", 14 * 1440, "tace", -1),
        ("2 h before first bevacizumab", -120, "bevacizumab", 1),
        ("3 weeks after 2nd tace", 21 * 1440, "tace", 2),
        ("first durvalumab maintenance", 0, "durvalumab maintenance", 1),
        ("with last tace", 0, "tace", -1),
        ({"after": "last tace", "offset": "14 day"}, 14 * 1440, "tace", -1),
        ({"before": "first tace", "offset": "1 week"}, -7 * 1440, "tace", 1),
        ({"after": "first tace"}, 0, "tace", 1),
    ],
)
def test_dates(text, offset, anchor, which):
    when = parse_when(text)
    assert (when.offset, when.anchor, when.which) == (offset, anchor, which)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, 'write "day 7"'),
        ("7 day", 'is a duration; as a date write "day 7"'),
        ("7 day after tace", 'write "first tace" or "last tace"'),
        ("5 mg after first tace", "cannot convert mg (mass) to day (time)"),
        ("-5 day after first tace", "is negative; write before or after"),
        ("day 0.0001", "must be whole minutes"),
        ("day 99999", "more than a hundred years away"),
        ("soon", "is not a date; write a date like"),
        ("", "is not a date"),
        (True, "is not a date"),
        (["day 7"], "is not a date"),
        (datetime.date(2026, 11, 27), "is a day of the year, and days count from day 0; write a date like"),
        ({"after": "last tace", "offzet": "14 day"}, 'did you mean "offset"'),
        ({"offset": "14 day"}, "a date as a table is"),
        ({"after": "tace", "offset": "14 day"}, 'write "first tace" or "last tace"'),
    ],
)
def test_what_is_no_date(value, says):
    with pytest.raises(QuantityError) as caught:
        parse_when(value)
    assert says in str(caught.value)


@given(st.text(max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_date_or_refused(text):
    try:
        assert isinstance(parse_when(text).offset, int)
    except QuantityError as error:
        assert str(error)


# --- trains, anchors, holds ------------------------------------------------------------


def test_a_train_by_times_until_and_to_the_end_of_the_run():
    assert days(TACE, "tace") == [0, 28, 56]
    assert days(drug(start="day 0", every="50 day"), "drug") == [0, 50, 100, 150, 200]
    assert days(drug(start="day 0", every="50 day", until="day 100"), "drug") == [0, 50]
    assert days(drug(start="day 0", every="50 day", until="day 101"), "drug") == [0, 50, 100]
    assert days(drug(start="day 0", every="50 day", until="day 101", times=2), "drug") == [0, 50]
    assert days(drug(at='["day 5", "day 1"]'), "drug") == [1, 5]
    assert days(drug(start="day 3"), "drug") == [3]


def test_the_dates_of_the_emerald1_order():
    text = TACE + drug("d1", "durvalumab", "1500 mg", start="7 day after first tace", every="4 weeks", until="first d2")
    text += drug("d2", "durvalumab", "1120 mg", start="14 day after last tace", every="3 weeks", until="day 120")
    text += drug("d3", start="with first d2", every="3 weeks", until="day 120")
    found = scenario(text).calendar
    assert [e.day for e in found.of("d1")] == [7, 35, 63]
    assert [e.day for e in found.of("d2")] == [70, 91, 112] == [e.day for e in found.of("d3")]
    assert [e.day for e in found.of("durvalumab")] == [7, 35, 63, 70, 91, 112]


def test_a_date_is_found_again_in_the_calendar():
    text = TACE + drug("d1", "durvalumab", "1500 mg", start="7 day after first tace", every="4 weeks", times=3)
    calendar = scenario(text).calendar
    for said, day in (("day 5", 5), ("last tace", 56), ("2 day before 2nd TACE", 26), ("1 week after first durvalumab", 14)):
        assert calendar.tick_of(parse_when(said)) == day * 1440, said
    for said in ("9th tace", "first lenvatinib", "start of maintenance"):
        assert calendar.tick_of(parse_when(said)) is None, said


def test_dates_before_day_0_move_the_start_of_the_run():
    text = TACE + drug("pembro", "pembrolizumab", "400 mg", start="28 day before first tace", every="6 weeks", times=2)
    found = scenario(text).calendar
    assert found.first_tick == -28 * 1440 and [e.day for e in found.of("pembro")] == [-28, 14]


def test_last_means_the_last_of_all_even_beyond_the_end_of_the_run():
    text = TACE.replace("times = 3", "times = 9") + drug(start="1 day after last tace")
    found = scenario(text)
    assert found.calendar.of("drug") == () and len(found.calendar.of("tace")) == 8
    assert {
        "tace: dates after the end of the run are left out",
        "drug: dates after the end of the run are left out",
    } <= set(found.warnings)


def test_holds_skip_daily_doses_and_delay_infusions():
    daily = drug("tki", "lenvatinib", "8 mg", start="day 20", every="1 day", until="day 36",
                 hold='[{ around = "tace", before = "2 day", after = "3 day" }]')  # fmt: skip
    assert days(TACE + daily, "tki") == [20, 21, 22, 23, 24, 25, 31, 32, 33, 34, 35]
    delayed = drug(start="day 27", every="2 weeks", times=3,
                   hold='[{ around = "tace", before = "2 day", after = "3 day", policy = "delay" }]')  # fmt: skip
    assert days(TACE + delayed, "drug") == [31, 41, 59]


def test_overlapping_holds_join_so_that_a_delayed_dose_never_lands_in_the_next():
    hold = '[{ around = "tace", before = "20 day", after = "10 day", policy = "delay" }]'
    assert days(TACE + drug(start="day 5", every="1 day", times=2, hold=hold), "drug") == [66]
    loaded = TACE + 'drug_load = "50 mg"\n'
    (warning,) = scenario(loaded + drug(start="day 5", every="1 day", times=2, hold=hold)).warnings
    assert "are given once" in warning


def test_entries_of_one_day_run_scan_then_procedure_then_drug():
    text = drug(start="day 0") + TACE + '[[protocol.scan]]\nstart = "day 0"\n'
    assert [e.kind for e in scenario(text).calendar.entries[:3]] == ["scan", "tace", "drug"]


@given(
    st.lists(st.integers(0, 150), min_size=1, max_size=6, unique=True),
    st.integers(1, 30), st.integers(0, 5), st.integers(1, 9), st.sampled_from(["skip", "delay"]),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_no_dose_falls_into_a_hold(sessions, every, before, after, policy):
    at = ", ".join(f'"day {d}"' for d in sessions)
    hold = f'[{{ around = "tace", before = "{before} day", after = "{after} day", policy = "{policy}" }}]'
    text = f'[[protocol.treatment]]\nkind = "tace"\nat = [{at}]\n'
    text += drug("tki", "lenvatinib", "8 mg", start="day 0", every=f"{every} day", until="day 180", hold=hold)
    try:
        given_days = days(text, "tki")
    except InputError as error:
        assert "leaves no day" in str(error)
        return
    assert all(not s - before <= d < s + after for s in sessions for d in given_days)
    assert len(set(given_days)) == len(given_days)
    free = [d for d in range(0, 180, every) if not any(s - before <= d < s + after for s in sessions)]
    assert set(free) <= set(given_days) and (policy == "delay" or free == given_days)


# --- doses ------------------------------------------------------------


def doses(text, name="drug", **changes):
    return [e.data["dose"] for e in scenario(text, **changes).calendar.of(name)]


def test_flat_weight_based_and_surface_based_doses():
    patient = '[patient]\nweight = "80 kg"\nheight = "180 cm"\n'
    assert doses(patient + drug(start="day 0")) == [pytest.approx(1200)]
    assert doses(patient + drug("drug", "durvalumab", "1.5 g", start="day 0")) == [1500]
    assert doses(patient + drug("drug", "oxaliplatin", "85 mg/m^2", start="day 0")) == [pytest.approx(85 * 2.0)]
    assert Body(80, 180).surface == 2.0


def test_loading_doses_come_first():
    text = drug("drug", "durvalumab", "1120 mg", start="day 0", every="3 weeks", times=4,
                loading='[{ dose = "1500 mg", times = 2 }]')  # fmt: skip
    assert doses(text) == [1500, 1500, 1120, 1120]


def test_a_regimen_of_the_library_gives_dose_by_weight_and_interval():
    text = drug("tki", "lenvatinib", None, regimen="hcc", start="day 0", times=3)
    light, heavy = '[patient]\nweight = "55 kg"\n', '[patient]\nweight = "60 kg"\n'
    assert doses(light + text, "tki") == [8, 8, 8] and doses(heavy + text, "tki") == [12, 12, 12]
    assert days(text, "tki") == [0, 1, 2]
    entry = scenario(text).calendar.of("tki")[0]
    assert entry.data["route"] == "oral" and entry.data["duration"] == 0


def test_infusion_times_as_given_or_as_in_the_library():
    assert scenario(drug(start="day 0")).calendar.of("drug")[0].data["duration"] == 90
    assert scenario(drug(start="day 0", infusion="30 min")).calendar.of("drug")[0].data["duration"] == 30


def test_a_dose_far_from_the_library_is_a_warning():
    (warning,) = scenario(drug(dose="150 mg/kg", start="day 0")).warnings
    assert "10500 mg is far from the doses the library knows" in warning


def test_aliases_of_drugs_are_known():
    assert scenario(drug(what="Avastin", start="day 0")).calendar.of("bevacizumab")


def test_bases_of_doses():
    assert [dose_basis(u) for u in ("mg", "g", "ug/kg", "mg/m^2")] == ["", "", "kg", "m2"]
    for unit in ("1", "mg/mg", "mL", "%", "kg/mg"):
        with pytest.raises(QuantityError):
            dose_basis(unit)


# --- what cannot be meant ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (drug("a", start="1 day after first b") + drug("b", start="1 day after first a"),
         'p.toml:3: protocol.treatment[1]: "a" waits for "b", which waits for "a"; give one of them a fixed day'),
        (drug("a", start="1 day after first a"), '"a" waits for "a"'),
        (drug(start="7 day after first tcae") + TACE, '"tcae" names nothing in this protocol, did you mean "tace"?'),
        (TACE.replace("times = 3\n", "") + drug(start="1 day after last tace"), "has no last one"),
        (TACE + drug(start="1 day after 4th tace"), '"tace" happens only 3 times'),
        (TACE + drug(start="day 30", every="7 day", until="first tace"), "so nothing would be given"),
        (drug(start="day 0", until="day 5"), 'a train needs "every"'),
        (drug(start="day 0", times=2), 'a train needs "every"'),
        (drug(), 'give either "start"'),
        (drug(start="day 0", at='["day 1"]'), 'give either "start"'),
        (drug(at='["day 1"]', every="1 day"), '"every" belongs to a train'),
        (drug(at="[]"), "is an empty list"),
        (drug(at='["day 1", "day 1"]'), "names the same date twice"),
        (drug(start="day 0", every="0 day"), "must be above 0 day"),
        (drug(start="day 0", every="20 s"), "every must be whole minutes"),
        (drug(start="day -4000"), "more than ten years before day 0"),
        (drug(dose="-5 mg", start="day 0"), "is no dose"),
        (drug(dose="0 mg", start="day 0"), "is no dose"),
        (drug(dose="900 g", start="day 0"), "is no dose: it must be above 0 and at most 100000 mg"),
        (drug(dose="5 mL", start="day 0"), "is no unit of a dose"),
        (drug(dose="0.5", start="day 0"), 'needs a unit: write "0.5 mg" or "0.5 mg/kg"'),
        (drug(dose=None, start="day 0"), 'give either "dose"'),
        (drug(what="bevacizumb", start="day 0"), 'is not in the drug library, did you mean "bevacizumab"?'),
        (drug(what="lenvatinib", dose=None, regimen="hc", start="day 0"), 'is no regimen of lenvatinib'),
        (drug(what="lenvatinib", dose="8 mg", start="day 0", infusion="1 h"), "is taken by mouth"),
        (drug(start="day 0", every="60 min", times=2), "would still run when the next one starts"),
        (TACE + drug(start="day 0", hold='[{ around = "tace" }]'), "a hold needs a length"),
        (TACE + drug(start="day 0", hold='[{ around = "tace", after = "1 day", polcy = "skip" }]'),
         'hold[1].polcy: is not known here, did you mean "policy"?'),
        (TACE + drug(start="day 0", hold='[{ around = "tace", after = "9 day" }]'), "leaves no day on which"),
        (drug(start="day 0", every="1 day", hold='[{ around = "drug", after = "9 day" }]'), "cannot be held around itself"),
        (drug("a", start="day 0") + drug("a", start="day 9"), 'a second entry is named "a"'),
        (drug("a", start="day 0") + drug("b", what="avastin", start="day 0"), "within a day of"),
        (drug("a", "nivolumab", "240 mg", start="day 0") + drug("b", "durvalumab", "1500 mg", start="day 90"),
         "nivolumab and durvalumab are both pd1_axis"),
        (TACE + TACE.replace('kind = "tace"', 'kind = "tace"\nname = "again"'), "(two sessions); move one"),
        (TACE.replace('"tace"', '"tase"'), "kinds of treatment are drug, tace"),
        ("[[protocol.treatment]]\nstart = 'day 0'\n", "is missing; kinds of treatment are drug, tace"),
        (TACE + 'technique = "bland"\ndrug_load = "50 mg"\n', "bland embolisation carries no drug"),
        (TACE + 'drug_load = "5000 mg"\n', "must be at most 1000 mg"),
        (drug(start="day 0", every="1 min", until="day 100"), "at most 20000 dates"),
        ("[protocol]\ntreatment = 3\n", "write [[treatment]] with double brackets"),
        ("[[protocol.scan]]\nstart = 'day 0'\nmethod = 'xray'\n", '"xray" is not one of ct, mri'),
    ],
)  # fmt: skip
def test_calendars_that_cannot_be_meant_are_refused_with_place_and_repair(text, says):
    message = told(text)
    assert says in message and message.startswith("p.toml:"), message


def test_too_many_treatments_are_refused():
    assert "more than 200 treatments" in told("".join(drug(f"d{i}", start=f"day {i}") for i in range(201)))


def test_a_long_chain_of_dates_is_followed():
    chain = "".join(drug(f"d{i}", start=f"1 day after first d{i + 1}") for i in range(150)) + drug(
        "d150", start="day 0"
    )
    assert days(chain, "d0") == [150]


# --- how it is shown ------------------------------------------------------------


def test_the_calendar_as_text_joins_equal_intervals():
    text = calendar_text(scenario(TACE + drug(start="day 1", every="3 weeks", times=4)).calendar)
    assert "tace: conventional segmental TACE to stasis, 3 times, every 28 d, day 0 to 56" in text
    assert "drug: 1050 mg bevacizumab (intravenous), 4 times, every 21 d, day 1 to 64" in text
    assert calendar_text(scenario("").calendar) == "nothing is scheduled\n"


def test_the_dosing_table_gives_what_the_calendar_gives():
    calendar = scenario(TACE + drug(start="day 1", every="3 weeks", times=4)).calendar
    tace, dose = list(csv.DictReader(io.StringIO(dosing_table(calendar))))
    assert (float(dose["TIME"]), float(dose["II"]), int(dose["ADDL"]), dose["EVID"]) == (1, 21, 3, "1")
    assert float(dose["AMT"]) == 1050 and float(dose["AMT"]) / float(dose["RATE"]) * 1440 == pytest.approx(90)
    assert (tace["EVID"], tace["AMT"], int(tace["ADDL"]), tace["KIND"]) == ("2", "0", 2, "tace")


def test_the_calendar_is_drawn(tmp_path):
    path = draw_calendar(scenario(TACE + drug(start="day 1")).calendar, tmp_path / "c.png", "A title")
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000
