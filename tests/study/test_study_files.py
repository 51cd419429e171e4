"""A study file gives exactly the runs it says, or every mistake in it at once."""

from __future__ import annotations

import numpy as np
import pytest

from tests.study.study_toys import AGENTS, HEAD, MDSC, ROOT, START, study
from tme_sim.diagnostics import InputError
from tme_sim.study.meaning import Standing
from tme_sim.study.reading import study_from_text
from tme_sim.study.runner import Runner


def wrong(text: str, head: str = HEAD, folder=".") -> str:
    with pytest.raises(InputError) as caught:
        study(text, head, folder)
    return str(caught.value)


def test_a_grid_has_every_combination_in_order():
    made = study()
    assert [tuple(v.values()) for v, _, _ in made.points()] == [(0.02, -14), (0.02, 28), (0.05, -14), (0.05, 28)]
    assert made.changes(made.points()[1]) == {
        "parameters.k_MDSC_death": "0.02 1/day", "protocol.treatment.bevacizumab.start": "28 day after first tace"}
    assert made.changes(made.points()[0])["protocol.treatment.bevacizumab.start"] == "14 day before first tace"


def test_a_parameter_without_a_range_takes_that_of_its_evidence():
    made = study('[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\nlevels = 3')
    declared = made.base.catalogue.parameters["k_MDSC_death"]
    assert made.factors[0].grid()[0] == declared.low
    assert made.factors[0].grid()[-1] == declared.high
    assert made.factors[0].unit == declared.unit


def test_hypotheses_and_arrows_without_values_take_all_they_can():
    made = study('[[factor]]\nname = "h"\nkey = "biology.hypotheses.vegf.clearance"\n'
                 '[[factor]]\nname = "g"\nkey = "biology.gains.VEGF_gain"\nlevels = 2\n'.replace(
                     "VEGF_gain", next(iter(study().base.catalogue.arrows))))
    assert made.factors[0].values == tuple(made.base.catalogue.hypotheses["vegf.clearance"])
    assert made.factors[0].values[0] == "default" and len(made.factors[0].values) > 1
    assert made.factors[1].grid() == (0.0, 1.0)


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol"])
def test_random_designs_fill_the_ranges_and_repeat(kind):
    text = '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\nlow = "0.01 1/day"\nhigh = "0.1 1/day"\nscale = "log"\n'
    text += f'[design]\nkind = "{kind}"\nn = 64\n'
    a, b = study(text), study(text)
    values = np.array([v["k"] for v, _, _ in a.points()])
    assert a.points() == b.points()
    assert values.min() >= 0.01 and values.max() <= 0.1
    counts = np.histogram(np.log(values), bins=8, range=(np.log(0.01), np.log(0.1)))[0]
    assert (counts == 8).all()
    other = study(text, HEAD.replace('name = "toy"', 'name = "toy"\nseed = 2'))
    assert other.points() != a.points()


def test_one_at_a_time_moves_one_factor_from_the_base():
    made = study(MDSC + START + '[design]\nkind = "one_at_a_time"')
    points = [dict(v) for v, _, _ in made.points()]
    assert points == [{}, {"mdsc_death": 0.02}, {"mdsc_death": 0.05}, {"bev": -14.0}, {"bev": 28.0}]


def test_points_from_a_file_are_matched_by_name_and_unit(tmp_path):
    (tmp_path / "points.csv").write_text("bev [week],mdsc_death\n2,0.03\n-1,72 1/month\n,0.04\n")
    made = study(MDSC + START + '[design]\nkind = "list"\nfile = "points.csv"', folder=tmp_path)
    points = [dict(v) for v, _, _ in made.points()]
    assert points[0] == {"mdsc_death": 0.03, "bev": 14.0}
    assert points[1]["bev"] == -7.0 and points[1]["mdsc_death"] == pytest.approx(72 / 30.4375)
    assert points[2] == {"mdsc_death": 0.04}
    (tmp_path / "points.csv").write_text("bov,mdsc_death\n2,0.03\n")
    told = wrong(MDSC + START + '[design]\nkind = "list"\nfile = "points.csv"', folder=tmp_path)
    assert "points.csv:1" in told and 'did you mean "bev"?' in told and '"bev": has no column' in told


def test_values_of_a_file_beyond_their_bounds_are_refused_before_any_run(tmp_path):
    (tmp_path / "points.csv").write_text("bev,mdsc_death\n2,0.03\n3,-4\n4,0.05\n")
    told = wrong(MDSC + START + '[design]\nkind = "list"\nfile = "points.csv"', folder=tmp_path)
    assert "points.csv, the point mdsc_death = -4, bev = 3" in told and "k_MDSC_death" in told


def test_arms_share_patients_and_draws():
    text = MDSC + """
[[arm]]
name = "as planned"
[[arm]]
name = "early"
[arm.set]
"protocol.treatment.bevacizumab.start" = "day 1"
[replicates]
count = 3
[[replicates.draw]]
name = "size"
key = "patient.lesion.main.diameter"
low = "30 mm"
high = "60 mm"
"""
    made = study(text)
    points = made.points()
    assert len(points) == len(made) == 2 * 2 * 3
    by_arm = {arm: [(v["size"], n) for v, a, n in points if a == arm] for arm in ("as planned", "early")}
    assert by_arm["as planned"] == by_arm["early"]
    assert len({s for s, _ in by_arm["early"]}) == 3
    plans = [made.plan(p) for p in points]
    assert [p.patient for p in plans] == [0, 1, 2] * 4 and {p.seed for p in plans} == {1}


def test_an_arm_can_bring_a_protocol_of_its_own(tmp_path):
    (tmp_path / "mine.toml").write_text('schema = 1\n[[treatment]]\nkind = "tace"\nname = "tace"\nstart = "day 3"\n')
    made = study(MDSC + '[[arm]]\nname = "mine"\nprotocol = "mine.toml"\n[[arm]]\nname = "base"', folder=tmp_path)
    assert [e.tick for e in made.plan(made.points()[0]).entries if e.kind == "tace"] == [3 * 1440]
    assert "mine2.toml" in wrong(MDSC + '[[arm]]\nname = "mine"\nprotocol = "mine2.toml"', folder=tmp_path)


MISTAKES = {
    "names nothing": (MDSC.replace("k_MDSC_death", "k_MDSC_dead"), 'did you mean "k_MDSC_death"?'),
    "no such treatment": (START.replace("bevacizumab", "bevacizumap"), 'did you mean "bevacizumab"?'),
    "unphysical": (MDSC.replace("0.02", "-0.02"), "physically impossible"),
    "wrong unit": (MDSC.replace("0.02 1/day", "0.02 mg"), '"0.02 mg" is'),
    "no such hold": (START.replace("start", "hold.1.before"), "give the file one first, as [[protocol.treatment.hold]]"),
    "bare number": (START.replace('"-14 day"', "-14").replace('"28 day"', "28"), "-28 day"),
    "upside down": (START.replace("-14", "56"), "must lie below"),
    "unknown arrow": ('[[factor]]\nname = "g"\nkey = "biology.gains.nothing"\nlow = 0\nhigh = 1', "no arrow"),
    "gain above 1": ('[[factor]]\nname = "g"\nkey = "biology.gains.VEGF_on_sprouting"\nlow = 0\nhigh = 2', "gain"),
    "not felt": ('[[factor]]\nname = "d"\nkey = "parameters.doubling_time"', "patient.lesion.main.doubling_time"),
    "no result": ('[[factor]]\nname = "t"\nkey = "title"\nvalues = ["a", "b"]', "changes no result"),
    "no parameter": ('[[factor]]\nname = "d"\nkey = "parameters.k_MDSC_dead"', 'did you mean "k_MDSC_death"?'),
    "no hypothesis": ('[[factor]]\nname = "h"\nkey = "biology.hypotheses.vegf.clearence"', 'mean "vegf.clearance"?'),
    "no values": ('[[factor]]\nname = "w"\nkey = "run.rtol"', "has no values"),
    "unknown table": (MDSC + "[desing]\nkind = 'grid'", 'did you mean "design"?'),
    "unknown key": (MDSC + "lo = 3", 'did you mean "low"?'),
    "same name": (MDSC + MDSC, "is taken"),
    "same key": (MDSC + MDSC.replace('"mdsc_death"', '"other"'), 'which factor "mdsc_death" sets'),
    "no n": (MDSC + "[design]\nkind = 'sobol'", "n: is missing"),
    "no factor": ("[design]\nkind = 'sobol'\nn = 4", "there is none"),
    "equal replicates": (MDSC + "[replicates]\ncount = 5", "equal runs"),
    "unknown signal": (MDSC + '[outputs]\ntrajectories = ["MDCS"]\ndays = [1]', 'did you mean "MDSC"?'),
    "day outside": (MDSC + '[outputs]\ntrajectories = ["MDSC"]\ndays = [100]', "day 100 lies outside"),
    "unknown arm": (MDSC + 'arms = ["A"]\n[[arm]]\nname = "B"', "no arm of this study"),
    "whole": ('[[factor]]\nname = "n"\nkey = "protocol.treatment.tace.times"\nvalues = [1.5, 2]', "whole numbers"),
    "huge": ('[[factor]]\nname = "g"\nkey = "parameters.k_MDSC_death"\nlevels = 9999\n[replicates]\ncount = 99999', "at most"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_with_line_and_repair(name):
    text, expected = MISTAKES[name]
    told = wrong(text)
    assert expected in told, told
    assert "study.toml:" in told


def test_all_mistakes_are_told_at_once():
    told = wrong(MISTAKES["names nothing"][0] + MISTAKES["no such treatment"][0])
    assert "k_MDSC_death" in told and "bevacizumab" in told


def test_quick_plans_are_those_of_checked_scenarios():
    text = MDSC + START + """
[[factor]]
name = "gain"
key = "biology.gains.DC_primes"
values = [0, 0.5]
[[factor]]
name = "size"
key = "parameters.cell_loss_factor"
values = [0.5, 0.6]
[[factor]]
name = "diameter"
key = "patient.lesion.main.diameter"
values = ["30 mm", "6 cm"]
[replicates]
count = 2
"""
    made = study(text.replace("DC_primes", next(iter(study().base.catalogue.arrows))),
                 HEAD + '"patient.occult.liver" = 3.0\n')
    runner = Runner({"base": made.base}, made.outputs)
    for point in made.points():
        quick, slow = runner.plan(point[1], made.changes(point)), made.plan(point)
        assert quick.values == slow.values and quick.lesions == slow.lesions and quick.patient == slow.patient
        assert [e.tick for e in quick.entries] == [e.tick for e in slow.entries]


def test_a_date_that_is_no_time_is_told_as_one(tmp_path):
    told = wrong(MDSC + START.replace('"-14 day"', '"-14 mm"'))
    assert '"-14 mm" is a length, but a value is a time; write it in day' in told
    (tmp_path / "points.csv").write_text("bev,mdsc_death\nday 2,0.03\n")
    told = wrong(MDSC + START + '[design]\nkind = "list"\nfile = "points.csv"', folder=tmp_path)
    assert "a date is a number of days after first tace, negative ones before it, like -14" in told


def test_equal_inputs_have_equal_keys_and_other_inputs_others():
    made = study()
    assert len(set(made.keys)) == 4
    # in another study, asked another way, with a title and with the base's own values spelled out
    again = study(MDSC.replace("0.05", "0.07") + START.replace("levels = 2", "levels = 3"),
                  HEAD.replace('"toy"', '"toy2"') + '"patient.weight" = "70 kg"\ntitle = "changed"\n')
    shared = set(made.keys) & set(again.keys)
    assert len(shared) == 2  # 0.02 at both ends
    longer = study(head=HEAD.replace("60 day", "61 day"))
    assert not set(made.keys) & set(longer.keys)
    more = study(MDSC + START + '[outputs]\ntrajectories = ["MDSC"]\ndays = [7]')
    assert not set(made.keys) & set(more.keys)


ONE_BY_ONE = '[design]\nkind = "one_at_a_time"\n'
DEFAULTS = """
[[factor]]
name = "gain"
key = "biology.gains.mdsc_on_killing"
values = [1, 0]
[[factor]]
name = "loss"
key = "biology.hypotheses.mdsc.loss"
[[factor]]
name = "own"
key = "patient.lesion.main.cell_loss_factor"
values = [0.7, 0.5]
"""


def test_an_override_that_says_what_holds_anyway_is_no_other_run():
    made = study(MDSC + DEFAULTS + ONE_BY_ONE)
    idle = [i for i, (values, _, _) in enumerate(made.points())
            if not values or list(values.values())[0] in (0.02, 1.0, "default", 0.7)]
    assert len(idle) == 5 and len({made.keys[i] for i in idle}) == 1
    assert len(set(made.keys)) == len(made) - 4
    runner = Runner({"base": made.base}, made.outputs)
    rows = runner.rows([("base", made.changes(made.point(i))) for i in idle])
    assert rows[0].status == "ok" and len({repr(row) for row in rows}) == 1


@pytest.mark.parametrize(
    ("text", "head"),
    [
        (MDSC, HEAD + '"parameters.k_MDSC_death" = "0.04 1/day"\n'),  # the base says otherwise
        (MDSC, HEAD + '"biology.hypotheses.mdsc.loss" = "slow_turnover"\n'),  # a hypothesis of the base does
        ('[[factor]]\nname = "own"\nkey = "patient.lesion.main.cell_loss_factor"\nvalues = [0.7]\n',
         HEAD + '"parameters.cell_loss_factor" = 0.5\n'),
    ],
)
def test_a_default_counts_where_the_scenario_has_another_value(text, head):
    made = study(text + ONE_BY_ONE, head)
    assert len(set(made.keys)) == len(made)


def test_a_default_counts_beside_what_may_move_it():
    both = '[[factor]]\nname = "loss"\nkey = "biology.hypotheses.mdsc.loss"\nvalues = ["slow_turnover"]\n'
    made = study(MDSC + both)
    alone = study(both)
    assert not set(made.keys) & set(alone.keys)
    base = made.base
    default, gain = {"parameters.k_MDSC_death": "0.02 1/day"}, {"biology.gains.mdsc_on_killing": 1.0}
    assert Standing(base).idle(default | gain) == {*default, *gain}
    of_drug = {"parameters.durvalumab.maximal_occupancy": 0.8}  # may change what the model's parameters are
    assert Standing(base).idle(default | gain | of_drug) == set(gain)
    shared = '[[factor]]\nname = "all"\nkey = "parameters.cell_loss_factor"\nvalues = [0.5]\n'
    own = '[[factor]]\nname = "own"\nkey = "patient.lesion.main.cell_loss_factor"\nvalues = [0.7]\n'
    assert study(shared + own).keys != study(shared).keys


def test_durations_of_a_calendar_are_written_in_whole_minutes():
    made = study('[[factor]]\nname = "every"\nkey = "protocol.treatment.bevacizumab.every"\nlow = "2 week"\n'
                 'high = "6 week"\n[design]\nkind = "latin_hypercube"\nn = 5\n')  # fmt: skip
    for point in made.points():
        assert made.scenario(point).calendar.entries
    assert made.factor("every").written(3.0) == "3 week"


def test_a_study_of_runs_cell_by_cell_has_a_longer_timeout_and_keeps_no_trajectories(tmp_path):
    text = AGENTS.format(root=ROOT)
    assert study_from_text(text, "study.toml").timeout == 6 * 3600
    assert study_from_text(text.replace("[set]", 'timeout = "1 h"\n[set]'), "study.toml").timeout == 3600
    with pytest.raises(InputError, match="runs = true"):
        study_from_text(text + '[outputs]\ntrajectories = ["MDSC"]\ndays = [1]\n', "study.toml")


def test_patients_of_runs_cell_by_cell_differ_by_their_cells_alone():
    text = AGENTS.format(root=ROOT) + "[replicates]\ncount = 3\n"
    assert len(set(study_from_text(text, "study.toml").keys)) == 6
