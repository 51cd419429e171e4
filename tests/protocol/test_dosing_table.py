"""The dosing table: written, read, and the same calendar after both."""

import numpy as np
import pytest
from shell_toys import toy_catalogue

from tme_sim.diagnostics import InputError
from tme_sim.protocol.calendar import Calendar
from tme_sim.protocol.dosing_table import COLUMNS, dosing_table, protocol_text, read_dosing_table
from tme_sim.scenario import Scenario

LIBRARY = toy_catalogue().library
DRUGS = (("bevacizumab", "mg/kg", "intravenous"), ("durvalumab", "mg", "intravenous"), ("lenvatinib", "mg", "oral"),
         ("oxaliplatin", "mg/m^2", "hepatic_artery"), ("fluorouracil", "mg/m^2", "hepatic_artery"),
         ("tremelimumab", "mg", "intravenous"))  # fmt: skip


def dates(rng, every=(1440, 40320)):
    """The keys of a date, a list of dates or a train, to the minute or to the day."""
    unit = 1440 if rng.random() < 0.7 else 1
    start = int(rng.integers(-30000, 300000)) // unit * unit
    kind = rng.integers(3)
    if kind == 0:
        return f'start = "day {start / 1440:.12f}"'
    if kind == 1:
        ticks = np.unique(rng.integers(0, 300, 4)) * 2880 + start
        return "at = [" + ", ".join(f'"day {t / 1440:.12f}"' for t in ticks) + "]"
    step = int(rng.integers(*every))
    return f'start = "day {start / 1440:.12f}"\nevery = "{step} min"\ntimes = {rng.integers(2, 30)}'


def random_protocol(seed):
    """A random protocol of drugs, procedures, scans and visits (TOML)."""
    rng = np.random.default_rng(seed)
    blocks = []
    for i in rng.choice(len(DRUGS), rng.integers(0, len(DRUGS) + 1), replace=False):
        name, unit, route = DRUGS[i]
        given = dates(rng)
        block = [f'drug = "{name}"', f'name = "drug {i}"', f'dose = "{rng.uniform(0.5, 50):.3g} {unit}"', given]
        if route != "oral":
            block += [f'route = "{route}"', f'infusion = "{rng.integers(5, 1400)} min"']
        most = int(given.rpartition("times = ")[2]) if "times" in given else 1
        if rng.random() < 0.3:
            block.append(f'loading = [{{ dose = "{rng.uniform(50, 90):.3g} {unit}", times = {min(rng.integers(1, 4), most)} }}]')
        blocks.append("[[protocol.treatment]]\n" + "\n".join(block))
    for kind in rng.choice(["tace", "ablation", "sbrt", "radioembolisation"], rng.integers(0, 3), replace=False):
        more = f'\ndrug_load = "{rng.integers(10, 150)} mg"' if kind == "tace" and rng.random() < 0.5 else ""
        more += "\nfractions = 1" if kind == "sbrt" else ""  # several are a course of days, which random dates meet
        blocks.append(f'[[protocol.treatment]]\nkind = "{kind}"\n{dates(rng)}{more}')
    for kind in ("scan", "visit"):
        if rng.random() < 0.7:
            blocks.append(f"[[protocol.{kind}]]\n{dates(rng)}")
    return "\n".join(blocks)


def read(text):
    return Scenario.from_text(f'[run]\nduration = "400 day"\n{text}', "p.toml", catalogue=toy_catalogue()).calendar


def plain(calendar, names=True):
    return sorted((e.tick, e.order, e.kind, e.treatment if names else "", e.number if names else 0, sorted(
        (k, v) for k, v in e.data.items() if v not in (None, ()))) for e in calendar.entries)  # fmt: skip


def round_trip(seed):
    try:
        calendar = read(random_protocol(seed))
    except InputError as error:  # two infusions of the random calendar overlap
        assert "still run" in str(error)
        return 0
    back = read_dosing_table(dosing_table(calendar), "doses.csv", LIBRARY)
    assert plain(back) == plain(calendar)
    text = protocol_text(back, "again").replace("schema = 1\n", "").replace('name = "again"\n', "", 1)
    again = read(text.replace("[[treatment", "[[protocol.treatment").replace("[[scan", "[[protocol.scan").replace(
        "[[visit", "[[protocol.visit"))  # fmt: skip
    same = [(*a[:5], [k for k in a[5] if k[0] != "dose"]) for a in plain(again, names=False)]
    assert same == [(*a[:5], [k for k in a[5] if k[0] != "dose"]) for a in plain(calendar, names=False)]
    doses = [[e.data.get("dose") or 0 for e in sorted(c.entries, key=lambda e: (e.tick, e.kind, str(e.data)))]
             for c in (again, calendar)]  # fmt: skip
    assert doses[0] == pytest.approx(doses[1], rel=1e-12)
    return len(calendar.entries)


def test_random_calendars_survive_the_table_and_the_protocol_made_of_it():
    assert sum(round_trip(seed) > 0 for seed in range(100)) > 80


@pytest.mark.slow
def test_a_thousand_random_calendars_survive():
    assert sum(round_trip(seed) > 0 for seed in range(1000, 2010)) >= 1000


HEAD = "ID,TIME,AMT,RATE,II,ADDL,EVID,CMT,DRUG\n"


def test_a_table_from_elsewhere_needs_few_columns():
    calendar = read_dosing_table(HEAD + "1,0,1200,28800,21,3,1,1,Tecentriq\n1,7,8,.,1,2,1,2,lenvatinib\n1,3,.,,,,0,,\n", "t.csv", LIBRARY)
    assert [(e.day, e.data["drug"]) for e in calendar.entries] == [
        (0, "atezolizumab"), (7, "lenvatinib"), (8, "lenvatinib"), (9, "lenvatinib"), (21, "atezolizumab"),
        (42, "atezolizumab"), (63, "atezolizumab")]  # fmt: skip
    assert calendar.entries[0].data == {"dose": 1200.0, "drug": "atezolizumab", "duration": 60, "route": "intravenous"}
    assert calendar.entries[1].data["route"] == "oral"


def test_irregular_and_very_long_trains_fit_into_a_protocol():
    rows = "".join(f"1,{7 * i + i % 2},8,0,0,0,1,2,lenvatinib\n" for i in range(300))
    calendar = read_dosing_table(HEAD + rows, "t.csv", LIBRARY)
    assert [e.number for e in calendar.entries] == list(range(1, 301))  # counted, as the table does not
    text = protocol_text(calendar, "again")
    assert text.count("[[treatment]]") == 1 and text.count('"day ') == 300
    every_day = read_dosing_table(HEAD + "1,0,8,0,1,10999,1,2,lenvatinib\n", "t.csv", LIBRARY)
    assert "times = 10000\n" in protocol_text(every_day, "again") and "times = 1000\n" in protocol_text(every_day, "again")


EVENT = "ID,TIME,AMT,RATE,II,ADDL,EVID,CMT,DRUG,ROUTE,TREATMENT,NUMBER,KIND,DETAIL\n1,0,"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("0,0,0,0,2,0,,,t,1,tace,drug_load=abc", 't.csv:2: DETAIL: drug_load: "abc mg" does not start with a number'),
        ("0,0,0,0,2,0,,,t,1,sbrt,fractions=x", "DETAIL: fractions: must be a whole number, not text (x)"),
        ("0,0,0,0,2,0,,,t,1,sbrt,fraction=3", 'DETAIL: fraction: is not known here, did you mean "fractions"?'),
        ("0,0,0,0,2,0,,,t,1,tace,technique=foo", '"foo" is not one of conventional, beads'),
        ("0,0,0,0,2,0,,,t,1,tace,start=day 9", "DETAIL: start: is not known here"),
        ("0,0,0,0,2,0,,,t,1,tce,", 'KIND: "tce" is no kind of this event, did you mean "tace"?'),
        ("8,0,0,0,1,nan,lenvatinib,,t,1,drug,", 'CMT: "nan" is not a number'),
        ("8,0,0,0,1,2,lenvatinib,,t,nan,drug,", 'NUMBER: "nan" is not a number'),
        ("8,0,0,0,1,2,lenvatinib,,t,0.5,drug,", "NUMBER: 0.5 is no number of this dose"),
        ("8,0,0,0,1,2,lenvatinib,,日本,1,drug,", "TREATMENT: "),
        ("8,1e-9,0,0,1,2,lenvatinib,,t,1,drug,", "RATE: makes an infusion of 8e+09 days; it takes at most 30"),
        ("8,0,0,0,1,2,durvalumab,oral,t,1,drug,", 'ROUTE: durvalumab is not given by the route "oral"'),
    ],
)
def test_mistakes_in_rows_of_our_own_columns_are_told_too(row, says):
    with pytest.raises(InputError) as caught:
        read_dosing_table(EVENT + row + "\n", "t.csv", LIBRARY)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1,0,1200,0,0,0,1,1,atezolizumb", 't.csv:2: DRUG: "atezolizumb" is not in the drug library, did you mean "atezolizumab"?'),
        ("1,0,1200,0,0,0,1,1,", "DRUG: is missing"),
        ("1,0,-5,0,0,0,1,1,lenvatinib", "AMT: -5 mg is no dose"),
        ("1,0,nan,0,0,0,1,1,lenvatinib", 'AMT: "nan" is not a number'),
        ("1,x,8,0,0,0,1,1,lenvatinib", 'TIME: "x" is not a number'),
        ("1,0.0001,8,0,0,0,1,1,lenvatinib", "TIME: 0.0001 days are no whole minutes"),
        ("1,1e9,8,0,0,0,1,1,lenvatinib", "TIME: a date of 1e+09 days cannot be"),
        ("1,0,8,0,0,3,1,1,lenvatinib", "II: further doses (ADDL) need an interval"),
        ("1,0,8,0,1,1e9,1,1,lenvatinib", "ADDL: 1e+09 is no number of further doses"),
        ("1,0,8,-2,0,0,1,1,lenvatinib", "RATE: -2 is not read"),
        ("1,0,8,7.3e5,0,0,1,1,lenvatinib", "RATE: makes an infusion of no whole minutes"),
        ("1,0,8,0,0,0,4,1,lenvatinib", "EVID: 4 is not read"),
        ("1,0,8,0,0,0,1,1,lenvatinib\n2,0,8,0,0,0,1,1,lenvatinib", "ID: holds 2 patients"),
    ],
)  # fmt: skip
def test_mistakes_in_a_table_are_told_with_line_and_column(row, says):
    with pytest.raises(InputError) as caught:
        read_dosing_table(HEAD + row + "\n", "t.csv", LIBRARY)
    assert says in str(caught.value)


def test_all_mistakes_are_told_at_once_and_columns_are_named():
    with pytest.raises(InputError) as caught:
        read_dosing_table(HEAD + "1,x,-1,0,0,0,1,1,foo\n1,y,8,0,0,0,1,1,lenvatinib\n", "t.csv", LIBRARY)
    assert len(caught.value.problems) == 4
    with pytest.raises(InputError, match="has no column AMT, EVID, DRUG"):
        read_dosing_table("TIME\n1\n", "t.csv", LIBRARY)
    with pytest.raises(InputError, match="t.csv: is no table of comma-separated values: field larger than"):
        read_dosing_table(HEAD + "1,0," + "8" * 200_000 + ",0,0,0,1,1,lenvatinib\n", "t.csv", LIBRARY)
    with pytest.raises(InputError) as caught:
        read_dosing_table(HEAD + "1,0,nan,0,0,0,1,2,lenvatinib\n", "t.csv", LIBRARY)
    assert len(caught.value.problems) == 1  # told once
    assert dosing_table(Calendar()) == ",".join(COLUMNS) + "\n"


def test_planned_dates_are_marked():
    text = '[[protocol.treatment]]\ndrug = "durvalumab"\ndose = "1500 mg"\nstart = "day 0"\nevery = "28 day"\nuntil = "progression"\n'
    rows = dosing_table(read(text + '[[protocol.scan]]\nstart = "day 0"\nevery = "56 day"\n')).splitlines()
    assert [r.split(",")[8] for r in rows] == ["COND", "0", "1"]
