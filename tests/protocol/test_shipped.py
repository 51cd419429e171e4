"""Shipped protocols: each calendar is the published one, and all together need few compiled structures.

Days and doses are those of a patient of 70 kg and 170 cm (1.818 m^2) over 24 months.  What a protocol file marks as
assumed is held here as well, so that a change is noticed.
"""

import math
from pathlib import Path

import pytest
from shell_toys import toy_catalogue

from tme_sim.scenario import Scenario

FOLDER = Path(__file__).parents[2] / "configs" / "protocols"
ON = math.inf  # goes on until a visit or the run ends it
HOLD = {"hold": ("tace", 2, 3)}
SKIP = {"skip": "child-pugh at least 8"}
M2 = math.sqrt(70 * 170 / 3600)


def every(day, interval, times=ON, dose=None, until="progression", **more):
    """A train: first day, interval (days), number, dose (mg), conditions that end it."""
    return {"day": day, "interval": interval, "times": times, "dose": dose, "until": until} | more


def once(day, dose=None):
    return every(day, 0, 1, dose, "")


def demand(day=0, most=None, lesion=None, apart=28, delay=14, load=50, technique="conventional", until="progression|untaceable",
           when="viable diameter above 10 mm|new lesion above 10 mm", **more):  # fmt: skip
    return {"day": day, "demand": (most, lesion, apart, delay, when), "load": load, "technique": technique, "until": until,
            **SKIP, **more}  # fmt: skip


def sessions(*days, load=50, technique="conventional", until="progression|untaceable", **more):
    return {"days": days, "load": load, "technique": technique, "until": until, **SKIP, **more}


def haic(oxali, hours):
    same = {"times": 6, "interval": 21, "until": "progression", "route": "hepatic_artery"} | SKIP
    return {
        "oxaliplatin": {"day": 0, "dose": oxali * M2, "duration": 120, **same},
        "fluorouracil bolus": {"day": 120 / 1440, "dose": 400 * M2, "duration": 10, **same},
        "fluorouracil infusion": {"day": 130 / 1440, "dose": 2400 * M2, "duration": hours * 60, **same},
    }


LENVATINIB, LATE = {"dose": 12, "interval": 1}, {"until": ""}
EMERALD_TACE = {"tace": demand(most=4, delay=7, until="", phase="TACE phase"), "planning scan": every(28, 28, 3)}
EMERALD_DURVA = {
    "durvalumab with TACE": every(7, 28, 4, 1500, "", phase="TACE phase"),
    "durvalumab maintenance": every(112, 21, ON, 1120, phase="maintenance"),
}
STRIDE = {"tremelimumab": once(-7, 300), "durvalumab": every(-7, 28, dose=1500), "tace": demand(most=10), "scan": every(-8, 56)}
ATEZO, BEV = every(0, 21, dose=1200), every(0, 21, dose=1050)
EIGHT, SIX, NINE = every(0, 56), every(0, 42), every(0, 63)
HIMALAYA = {"durvalumab": every(0, 28, dose=1500), "scan": every(0, 56, 7), "later scan": every(420, 84)}

PUBLISHED = {
    "untreated": {"scan": EIGHT},
    "tace_only": {"tace": {"days": (0, 28), "load": 50, "technique": "conventional"}, "scan": EIGHT},
    "tace_on_demand": {"tace": demand(most=10, until="refractory by jsh|untaceable",
                                      when="viable area above 50 %|new lesion above 10 mm"), "scan": EIGHT},
    "emerald1_fixed": {"tace": {"days": (0, 28), "load": 50, "technique": "conventional"},
                       "durvalumab with TACE": every(7, 28, 2, 1500), "durvalumab maintenance": every(42, 21, 33, 1120),
                       "bevacizumab": every(42, 21, 33, 1050), "scan": EIGHT},
    "emerald1_durva_bev": {**EMERALD_TACE, **EMERALD_DURVA, "bevacizumab": every(112, 21, ON, 1050, phase="maintenance"),
                           "scan": EIGHT},
    "emerald1_durva": {**EMERALD_TACE, **EMERALD_DURVA, "scan": EIGHT},
    "emerald1_tace": {**EMERALD_TACE, "scan": EIGHT},
    "leap012_len_pembro": {"lenvatinib": every(-21, 1, dose=12, **HOLD), "pembrolizumab": every(-21, 42, 18, 400),
                           "tace": demand(most=4, lesion=2, apart=30), "scan": every(-28, 63)},
    "leap012_tace": {"tace": demand(most=4, lesion=2, apart=30), "scan": every(-28, 63)},
    "emerald3_stride_len": {**STRIDE, "lenvatinib": every(-7, 1, dose=12)},
    "emerald3_stride": STRIDE,
    "emerald3_tace": {"tace": demand(most=10), "scan": every(-8, 56)},
    "talentace": {"atezolizumab": every(14, 21, dose=1200), "bevacizumab": every(14, 21, dose=1050),
                  "tace": demand(most=10), "scan": EIGHT},
    "launch": {"lenvatinib": every(-1, 1, dose=12), "tace": demand(most=10), "scan": every(-1, 56)},
    "tactics": {"sorafenib lead-in": every(-21, 1, 21, 400, "", **HOLD),
                "sorafenib": every(3, 0.5, dose=400, until="untaceable", **HOLD),
                "tace": demand(most=10, delay=7, until="untaceable", when="viable area above 50 %|new lesion above 10 mm"),
                "scan": every(-21, 56)},
    "tace2": {"sorafenib": every(-21, 0.5, dose=400), "tace": demand(most=10, technique="beads", load=150),
              "scan": every(-21, 70)},
    "space": {"sorafenib": every(-3, 0.5, dose=400), "tace": sessions(0, 53, 165, 333, load=150, technique="beads"),
              "scan": every(-3, 56)},
    "stah": {"sorafenib": every(-14, 0.5, dose=400), "tace": demand(most=10), "scan": every(-14, 56)},
    "brisk": {"brivanib": every(7, 1, dose=800), "tace": demand(most=10), "scan": EIGHT},
    "oriental": {"orantinib": every(14, 0.5, dose=200, until="untaceable"), "tace": demand(most=10, until="untaceable"),
                 "scan": EIGHT},
    "cares005": {"camrelizumab": every(7, 14, dose=200), "apatinib": every(7, 1, dose=250), "tace": demand(most=10),
                 "scan": EIGHT},
    "fohaic1": {**haic(130, 46), "scan": SIX},
    "li2022_haic": {**haic(130, 24), "scan": SIX},
    "li2022_tace": {"tace": demand(most=6, until="progression"), "scan": SIX},
    "lthaic": {**haic(85, 46), "lenvatinib": every(0, 1, dose=12), "toripalimab": every(0, 21, dose=240), "scan": SIX},
    "imbrave150": {"atezolizumab": ATEZO, "bevacizumab": BEV, "scan": every(0, 42, 10), "later scan": every(441, 63)},
    "orient32": {"sintilimab": every(0, 21, dose=200), "bevacizumab": BEV, "scan": SIX},
    "cares310": {"camrelizumab": every(0, 14, dose=200), "apatinib": every(0, 1, dose=250), "scan": EIGHT},
    "reflect": {"lenvatinib": every(0, 1, dose=12, until="progression by mrecist", levels=(8, 4)), "scan": EIGHT},
    "leap002": {"lenvatinib": every(0, 1, dose=12), "pembrolizumab": every(0, 21, 35, 200), "scan": NINE},
    "himalaya_stride": {"tremelimumab": once(0, 300), **HIMALAYA},
    "himalaya_durva": HIMALAYA,
    "checkmate459": {"nivolumab": every(0, 14, dose=240), "scan": EIGHT},
    "go30140f_atezo_bev": {"atezolizumab": ATEZO, "bevacizumab": BEV, "scan": SIX},
    "go30140f_atezo": {"atezolizumab": ATEZO, "scan": SIX},
    "sharp_sorafenib": {"sorafenib": every(0, 0.5, dose=400), "scan": SIX},
    "sharp_placebo": {"scan": SIX},
    "keynote224": {"pembrolizumab": every(0, 21, 35, 200), "scan": NINE},
    "keynote240": {"pembrolizumab": every(0, 21, 35, 200), "scan": SIX},
    "precisionv_beads": {"tace": sessions(0, 60.875, 121.75, load=150, technique="beads", until=""), "scan": every(0, 91.3125)},
    "precisionv_ctace": {"tace": sessions(0, 60.875, 121.75, load=100, until=""), "scan": every(0, 91.3125)},
    "britten": {"bevacizumab": every(-7, 14, dose=700), "tace": sessions(0, 98, 196, until="progression"),
                "scan": every(-7, 56)},
    "ablation": {"ablation": {"days": (0,), "technique": "microwave"}, "scan": EIGHT},
    "sbrt": {"sbrt": once(0, 45), "scan": EIGHT},
    "radioembolisation": {"radioembolisation": once(0, 205), "scan": EIGHT},
}  # fmt: skip


def load(name):
    return Scenario.from_text(f'[protocol]\nfile = "{name}.toml"\n', str(FOLDER / "scenario"), catalogue=toy_catalogue())


def test_every_shipped_protocol_is_in_the_table():
    assert {p.stem for p in FOLDER.glob("*.toml")} == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_calendar_is_the_published_one(name):
    calendar, expected = load(name).calendar, PUBLISHED[name]
    assert {e.treatment for e in calendar.all} == set(expected)
    tracks = {t.name: t for t in calendar.tracks}
    for treatment, said in expected.items():
        entries = [e for e in calendar.all if e.treatment == treatment]
        check_dates(entries, said)
        check_content(entries[0].data, said)
        if treatment in tracks:
            check_rules(tracks[treatment], said, calendar)
        else:
            assert "demand" not in said and "hold" not in said and "skip" not in said


def check_dates(entries, said):
    days = [e.day for e in entries]
    if "days" in said:
        assert days == pytest.approx(said["days"])
        return
    assert days[0] == pytest.approx(said["day"], abs=1e-9)
    if "demand" in said:
        assert len(days) == 1
        return
    gaps = [b - a for a, b in zip(days, days[1:], strict=False)]
    assert gaps == pytest.approx([said["interval"]] * len(gaps))
    within = 1 if not said["interval"] else math.floor((730 - said["day"]) / said["interval"] + 1e-9) + 1
    assert len(days) == min(said["times"], within)


def check_content(data, said):
    if said.get("dose") is not None:
        assert data["dose"] == pytest.approx(said["dose"])
    for key in ("route", "duration", "technique"):
        if key in said:
            assert data[key] == said[key]
    if "load" in said:
        assert data["drug_load"] == said["load"] and data["drug"] == "doxorubicin"


def check_rules(track, said, calendar):
    assert "|".join(map(str, track.ends)) == said.get("until", "")
    assert (calendar.phases[track.phase].name if track.phase >= 0 else None) == said.get("phase")
    if said.get("times", 0) is ON:
        assert track.open
    holds = [(h.around, h.before / 1440, h.after / 1440) for h in track.holds]
    assert holds == ([([t.name for t in calendar.tracks].index("tace"), *said["hold"][1:])] if "hold" in said else [])
    if "levels" in said:
        assert tuple(e.data["dose"] for e in track.given[1:]) == said["levels"]
    elif track.item.rule:
        assert [(r.then, str(r.when[0])) for r in track.item.rule] == [("skip", said["skip"])]
    if "demand" in said:
        most, lesion, apart, delay, when = said["demand"]
        found = track.on_demand
        assert (found.maximum, found.maximum_per_lesion) == (most, lesion)
        assert (found.minimum_interval.value, found.delay.value) == (apart, delay)
        assert "|".join(map(str, found.when)) == when
    else:
        assert track.on_demand is None


def test_phases_of_emerald1():
    first, second = load("emerald1_durva_bev").calendar.phases
    assert (first.start, first.length) == (0, 112 * 1440)
    assert [str(c) for c in first.ends] == ["progression", "untaceable", "sessions at least 4"]
    assert (second.follows, second.anchor, second.offset) == (0, "last", 14 * 1440)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_protocol_names_its_sources(name):
    protocol = load(name).protocol
    items = [*protocol.treatment, *protocol.scan]
    assert all(item.source for item in items) and (protocol.source or name == "untreated")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("emerald1_durva_bev", "Up to 4 sessions within about 16 weeks: second-hand, not confirmed"),
        ("leap012_len_pembro", "# second-hand, not confirmed: assumed"),
        ("emerald3_stride_len", "no hold around TACE was found, none is assumed"),
        ("talentace", "Gap of 14 days and no hold around later sessions: assumed"),
        ("cares005", "order, gap and absence of holds: assumed"),
        ("launch", "hold around TACE not found, none is assumed"),
        ("space", "Lead-in of 3 days and sessions at cycles 3, 7 and 13: from memory, not confirmed: assumed"),
        ("stah", "hold not found, none is assumed"),
        ("brisk", "800 mg a day and a gap of 7 days: from memory, not confirmed: assumed"),
        ("oriental", "Day 14: assumed"),
        ("britten", "Repeats at weeks 14 and 28: from memory, not confirmed: assumed"),
        ("fohaic1", "infusion over 46 h: from memory, not confirmed: assumed"),
        ("lthaic", "infusion over 46 h, toripalimab 240 mg: from memory, not confirmed: assumed"),
    ],
)
def test_what_was_not_found_is_marked_as_an_assumption(name, what):
    assert what in (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def test_weights_change_what_is_given():
    light = load("leap012_len_pembro").changed({"patient.weight": "55 kg"})
    assert light.calendar.of("lenvatinib")[0].data["dose"] == 8
    assert load("imbrave150").changed({"patient.weight": "60 kg"}).calendar.of("bevacizumab")[0].data["dose"] == 900


@pytest.mark.parametrize("weight", ["38 kg", "59.9 kg", "60 kg", "140 kg"])
@pytest.mark.parametrize("file", sorted(p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*.toml")))
def test_every_protocol_can_be_given_to_any_body(file, weight):
    text = f'patient.weight = "{weight}"\n[protocol]\nfile = "{"untreated.toml" if "/" in file else file}"\n'
    text += f'after_progression = ["{file}"]\n' if "/" in file else ""
    assert Scenario.from_text(text, str(FOLDER / "scenario"), catalogue=toy_catalogue()).patient.weight


@pytest.mark.parametrize(("weight", "given"), [("59 kg", [8, 4]), ("61 kg", [12, 8, 4])])
def test_a_light_patient_is_not_reduced_to_the_dose_it_starts_with(weight, given):
    (track,) = [t for t in load("reflect").changed({"patient.weight": weight}).calendar.tracks if t.name == "lenvatinib"]
    assert [e.data["dose"] for e in track.given] == given


def test_all_shipped_protocols_share_few_structures():
    from tme_sim.plan import plan_of
    from tme_sim.simulation import slots_for

    plans = [plan_of(load(name)) for name in PUBLISHED]
    structures = {(tuple(p.off), tuple(p.hypotheses), slots_for(len(p.lesions))) for p in plans}
    assert len(structures) <= 4
    assert max(len(p.drugs) for p in plans) == 4  # LTHAIC: lenvatinib, toripalimab and both drugs of FOLFOX


BODIES = ("70 kg", "71 kg", "38 kg", "59.9 kg", "60 kg", "140 kg", "70 kg", "25 kg", "300 kg")


@pytest.mark.parametrize("file", sorted(p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*.toml")))
def test_a_calendar_made_of_that_of_another_body_is_the_one_of_a_body_alone(file):
    text = f'[protocol]\nfile = "{"untreated.toml" if "/" in file else file}"\n'
    text += f'after_progression = ["{file}"]\n' if "/" in file else ""
    name, catalogue = str(FOLDER / "scenario"), toy_catalogue()
    shared = Scenario.from_text(text, name, catalogue=catalogue)
    for weight in BODIES:
        alone = Scenario.from_text(f'patient.weight = "{weight}"\n{text}', name, catalogue=catalogue)
        one = shared.changed({"patient.weight": weight})
        assert one.calendar == alone.calendar
        for parts in zip(one.calendar.entries, alone.calendar.entries, strict=True):
            assert list(parts[0].data.items()) == list(parts[1].data.items())


def test_bodies_of_the_same_doses_share_one_calendar():
    flat, by_weight = load("reflect"), load("imbrave150")
    heavy = [flat.changed({"patient.weight": f"{w} kg"}).calendar for w in (61, 75, 90)]
    assert heavy[0] is heavy[1] is heavy[2] is flat.calendar
    light = flat.changed({"patient.weight": "50 kg"}).calendar
    assert light is not flat.calendar and light is flat.changed({"patient.weight": "51 kg"}).calendar
    assert by_weight.changed({"patient.weight": "60 kg"}).calendar is not by_weight.calendar
