"""The commands on a quick study: what they write and say, and what they refuse before any run."""

import csv
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tme_sim.cli import cli
from tme_sim.findings import draw

ROOT = Path(__file__).parents[2]


def call(*args, code=0):
    done = CliRunner().invoke(cli, list(args))
    assert done.exit_code == code, done.output
    return done.output


def rows(path):
    return np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")


def test_surface_writes_map_windows_and_regret(folder):
    told = call("surface", "study.toml", "--out", "found")
    assert "best burden_d90" in told
    assert "both after" in told
    assert (folder / "found" / "surface.png").read_bytes()[:4] == b"\x89PNG"
    grid = rows(folder / "found" / "surface.csv")
    assert grid.size == 9
    best = grid[np.argmin(grid["mean"])]
    assert best["near_best"] == 1
    assert f"at vegf {best['vegf']:g}, pd1 {best['pd1']:g}" in told
    call("surface", "study.toml", "--out", "found", code=2)


def test_a_surface_over_a_dose_has_its_width_in_the_unit_of_the_dose(folder):
    dose = '[[factor]]\nname = "dose"\nkey = "protocol.treatment.bevacizumab.dose"\nlow = "5 mg/kg"\nhigh = "15 mg/kg"\nlevels = 2\n'
    text = (folder / "study.toml").read_text().partition("[surface.orders]")[0]
    (folder / "dose.toml").write_text(text.replace("[replicates]\ncount = 4", f"{dose}[replicates]\ncount = 2"))
    told = call("surface", "dose.toml", "--y", "dose", "--out", "found")
    assert "at least 10 mg/kg wide" in told and "days wide" in told and "own best dose" in told


def test_which_way_is_better_belongs_to_the_outcome_of_the_section(folder):
    path = folder / "study.toml"
    path.write_text(path.read_text().replace("[surface.orders]", '[surface]\nbetter = "higher"\n[surface.orders]'))
    by_section, other = (call("surface", "study.toml", *more) for more in ((), ("--outcome", "viable_fraction_d90")))
    best = [text[text.index(" at vegf") :].splitlines()[0] for text in (by_section, other)]
    assert best[0] != best[1]  # the most tumour by the section, the least by another endpoint


def test_sensitivity_of_parameters_in_two_arms_and_of_the_lead(folder):
    told = call("sensitivity", "arms.toml", "--method", "tornado", "--parameters", "k_T_exh", "--parameters", "Bmax_trap",
                "--out", "found")  # fmt: skip
    table = rows(folder / "found" / "tornado.csv")
    assert set(table["target"]) == {"before", "after", "lead of the best order"}
    assert table["swing"].min() > 0
    assert "all runs gave a value" in told


def test_an_end_of_a_range_that_gives_no_value_is_no_swing_of_0(folder, monkeypatch):
    named = []
    monkeypatch.setattr(draw, "_left", lambda names, least: named.extend(names) or least)
    slow = (folder / "arms.toml").read_text().replace("240 day", "320 day").replace("120 day", "300 day")
    (folder / "slow.toml").write_text(slow)
    told = call("sensitivity", "slow.toml", "--method", "tornado", "--parameters", "cell_loss_factor", "--arm", "before",
                "--out", "found")  # fmt: skip
    (row,) = csv.DictReader((folder / "found" / "tornado.csv").read_text().splitlines())
    assert (row["low_end"], row["swing"]) == ("", "") and float(row["high_end"]) > 0
    assert "swing -" in told and named == ["cell_loss_factor (low end: no value)"]


def test_flips_and_knockouts_tell_the_order(folder):
    told = call("sensitivity", "arms.toml", "--method", "flips", "--parameters", "p_v", "--out", "flips")
    assert "parameters flip the order" in told and "burden_d90 (mL) at the values used, best first: " in told
    assert rows(folder / "flips" / "scans.csv").size >= 10
    told = call("sensitivity", "arms.toml", "--method", "knockouts", "--arrow", "mdsc_on_killing", "--out", "arrows")
    assert "mdsc_on_killing" in told and "nothing cut, burden on day 90 (mL): " in told
    assert rows(folder / "arrows" / "knockouts.csv")["arrow"].tolist() == ["none", "mdsc_on_killing"]


def test_the_link_from_vegf_to_vessels_is_cut_though_it_is_no_single_arrow(folder):
    text = (folder / "arms.toml").read_text()
    (folder / "arms.toml").write_text(text + 'trajectories = ["immature_vessels", "vegf_fold"]\ndays = [-14, 84]\n')
    told = call("sensitivity", "arms.toml", "--method", "knockouts", "--arrow", "vegf_on_vessels", "--out", "found")
    assert "vegf_on_vessels" in told
    table = rows(folder / "found" / "runs.csv")
    left = {name: table[f"{name}_d84"] / table[f"{name}_d14"] for name in ("immature_vessels", "vegf_fold")}
    cut = table["arrow"] == "vegf_on_vessels"
    assert left["vegf_fold"].max() < 0.9  # VEGF is blocked either way
    assert left["immature_vessels"][~cut].max() < 0.9
    assert left["immature_vessels"][cut] == pytest.approx(1.0, abs=1e-3)


def test_the_link_from_vessels_to_oxygen_is_cut_though_it_is_no_single_arrow(folder):
    text = (folder / "arms.toml").read_text()
    (folder / "arms.toml").write_text(text + 'trajectories = ["immature_vessels", "anoxic_share"]\ndays = [-14, 84]\n')
    call("sensitivity", "arms.toml", "--method", "knockouts", "--arrow", "vessels_on_oxygen", "--out", "found")
    table = rows(folder / "found" / "runs.csv")
    cut = table["arrow"] == "vessels_on_oxygen"
    assert (table["immature_vessels_d84"] / table["immature_vessels_d14"]).max() < 0.9  # vessels go either way
    moved = np.abs(table["anoxic_share_d84"] - table["anoxic_share_d14"])
    assert moved[~cut].min() > 0.01 and moved[cut].max() < 1e-9


def test_what_a_factor_sets_is_not_cut_over_it(folder):
    factor = '[[factor]]\nname = "K"\nkey = "parameters.K_vegf_signal"\nlow = 0.5\nhigh = 2\n'
    (folder / "varied.toml").write_text((folder / "arms.toml").read_text().replace("[replicates]", f"{factor}[replicates]"))
    told = call("sensitivity", "varied.toml", "--method", "knockouts", "--arrow", "vegf_on_vessels", code=2)
    assert 'factor "K" of the study sets parameters.K_vegf_signal' in told


def test_the_best_protocol_is_a_file_that_protocol_show_takes(folder):
    told = call("optimise", "study.toml", "--out", "best.toml")
    assert "gap in the patients that did not choose" in told
    best = tomllib.loads((folder / "best.toml").read_text())
    start = {t.get("drug", t["kind"]): t["start"] for t in best["treatment"]}
    assert f"vegf = {start['bevacizumab']}" in told
    assert "bevacizumab" in call("protocol", "show", "best.toml")
    assert (folder / "best_runner_up.toml").exists()


@pytest.mark.parametrize(("aim", "said"), [("worst decile", "mean of the worst tenth of patients: "), ("regret", "mean loss")])
def test_the_optimiser_tells_what_it_made_best(folder, aim, said):
    told = call("optimise", "study.toml", "--out", "best.toml", "--aim", aim)
    assert told.count(said) == 2  # of the best and the runner-up
    first = next(line for line in told.splitlines() if said in line).rpartition(": ")[2]
    assert float(first.split()[0]) >= 0.0



@pytest.mark.parametrize(("out", "said"), [("nowhere/best.toml", "there is no such folder"), ("best.csv", '"best.toml"')])
def test_a_place_that_cannot_hold_the_protocol_is_told_before_the_search(folder, out, said):
    assert said in call("optimise", "study.toml", "--out", out, code=2)
    assert not list(folder.glob("runs/*.store"))
    assert said.replace(".toml", ".html") in call("hypothesis", "run", "card.toml", "--out", out.replace(".toml", ".html"),
                                                  code=2)  # fmt: skip
    assert not list(folder.glob("runs/*.store"))


def test_a_card_makes_a_page_with_the_verdict_and_escapes_what_it_says(folder):
    told = call("hypothesis", "run", "card.toml", "--out", "page.html")
    assert "early: undecided (0 of 1 predictions hold)" in told
    page = (folder / "page.html").read_text()
    assert "Early &lt;b&gt;starts&lt;/b&gt; leave less tumour" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/png;base64,") == 2
    assert "TACE: day 0; bevacizumab: day -14" in page  # what an arm is given, procedures by their kind
    (folder / "own").mkdir()
    call("hypothesis", "run", "card.toml", "--out", "own.html", "--mechanisms", "own")
    assert "tme-sim hypothesis run card.toml --mechanisms own" in (folder / "own.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('than = "after"', 'than = "before"', 'compares "before" with itself'),
        ('outcome = "burden_d90"', 'outcome = "vegf_ratio_d90"', 'say whether "higher" or "lower"'),
    ],
)
def test_what_no_card_can_be_judged_by_is_refused_before_any_run(folder, old, new, said):
    text = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(text.replace(old, new))
    told = call("hypothesis", "run", "card.toml", "--store", "kept", code=2)
    assert said in told and told.startswith("card.toml:") and not (folder / "kept").exists()


def test_a_card_knows_which_way_of_a_derived_column_is_better(folder):
    derived = '[[outputs.derived]]\nname = "double"\nexpression = "2 * burden_d90"\nbetter = "lower"\n'
    (folder / "arms.toml").write_text((folder / "arms.toml").read_text() + derived)
    (folder / "card.toml").write_text((folder / "card.toml").read_text().replace("burden_d90", "double"))
    assert "(double, better than after by " in call("hypothesis", "run", "card.toml")


def test_one_patient_decides_nothing(folder):
    (folder / "arms.toml").write_text((folder / "arms.toml").read_text().replace("count = 2", "count = 1"))
    told = call("hypothesis", "run", "card.toml", "--out", "page.html")
    assert "early: undecided" in told and "one patient only" in told and "95 %" not in told
    assert "One patient only" in (folder / "page.html").read_text()


def test_what_is_worse_is_told_as_worse(folder):
    card = (folder / "card.toml").read_text()
    (folder / "turned.toml").write_text(card.replace('arm = "before"', 'arm = "after"').replace('than = "after"', 'than = "before"'))
    told = call("hypothesis", "run", "turned.toml")
    assert "(burden_d90, worse than before by " in told and "by -" not in told
    assert "(burden_d90, better than after by " in call("hypothesis", "run", "card.toml", "--out", "x.html")


def test_a_new_card_is_a_card(folder):
    call("hypothesis", "new", "mine", "--base", "base.toml", "--claim", 'It "works"')
    from tme_sim.findings.cards import check_names, load_card
    from tme_sim.study import load_study
    from tme_sim.study.outcomes import outcomes_of

    card = load_card("mine")
    study = load_study(card.study)
    check_names(card, [a.name for a in study.arms], outcomes_of(study))
    assert card.claim == "It 'works'"
    from tme_sim.findings.card_page import not_filled_in

    assert "still stands in source and measurement" in not_filled_in(card)[0]
    path = folder / "mine" / "card.toml"
    own = path.read_text().replace("who claims it, with DOI", "Me 2026").replace("what is measured, in whom, when", "size")
    path.write_text(own)
    assert not not_filled_in(load_card("mine"))
    call("hypothesis", "new", "mine", "--base", "base.toml", code=2)


@pytest.mark.parametrize(
    ("design", "arguments", "said"),
    [
        ("", ("--order", "late=99,0"), "late: vegf = 99 lies outside the map (-14 to 28); widen the factor"),
        ("", ("--outcome", "vegf_ratio_d90"), 'say whether "higher" or "lower"'),
        ('[design]\nkind = "latin_hypercube"\nn = 9\n', (), "make no grid: 9 pairs of 9 and 9 values"),
    ],
)
def test_what_makes_no_surface_is_refused_before_any_run(folder, design, arguments, said):
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(text.replace("[outputs]", f"{design}[outputs]"))
    assert said in call("surface", "study.toml", "--store", "kept", *arguments, code=2)
    assert not (folder / "kept").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("surface", "none.toml"), "there is no such file"),
        (("surface", "study.toml", "--x", "vegv"), 'did you mean "vegf"?'),
        (("surface", "study.toml", "--order", "late"), "NAME=X,Y"),
        (("surface", "arms.toml", "--x", "a"), "no factor"),
        (("sensitivity", "arms.toml", "--parameters", "k_T_ex"), 'did you mean "k_T_exh"?'),
        (("sensitivity", "arms.toml", "--arm", "bevore"), 'did you mean "before"?'),
        (("sensitivity", "arms.toml", "--method", "knockouts", "--arrow", "mdsc_on_kiling"), '"mdsc_on_killing"?'),
        (("sensitivity", "study.toml", "--method", "flips", "--parameters", "p_v"), "at least two arms"),
        (("sensitivity", "study.toml", "--method", "knockouts", "--yes"), "study.toml: arms: an order needs at least two"),
        (("hypothesis", "new", "x", "--base", "bas.toml"), "there is no such file"),
        (("hypothesis", "new", "x"), "name the scenario to start from with --base"),
        (("hypothesis", "run", "cart"), "there is no such card; tme-sim hypothesis new cart"),
        (("hypothesis", "run", "study.toml"), "use tme-sim sweep"),
        (("surface", "study.toml", "--outcome", "burden_d9"), "burden_dN is there for N = 7, 28, 90;"),
        (("surface", "study.toml", "--outcome", "burdn_d90"), 'did you mean "burden_d90"?'),
        (("surface", "study.toml", "--outcome", "burden_d730"), "is no number that its runs give"),
        (("surface", "study.toml", "--outcome", "zeal"), "there are n_tace, "),
        (("surface", "study.toml", "--outcome", "zeal"), "burden_dN, viable_fraction_dN, "),
        (("optimise", "study.toml", "--outcome", "best_response_mrecist"), "is no number"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_repair(folder, arguments, said):
    before = sorted(p.name for p in folder.iterdir())
    assert said in call(*arguments, code=2)
    assert sorted(p.name for p in folder.iterdir()) == before


def test_mistakes_of_a_card_are_told_with_their_line(folder):
    text = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(text.replace('than = "after"', 'than = "aftr"'))
    assert 'did you mean "after"?' in call("hypothesis", "run", "card.toml", code=2)
    (folder / "card.toml").write_text(text.replace('than = "after"', ""))
    assert "card.toml:6: prediction[1]" in call("hypothesis", "run", "card.toml", code=2)
    (folder / "card.toml").write_text(text.replace("burden_d90", "burdn_d90"))
    assert 'did you mean "burden_d90"?' in call("hypothesis", "run", "card.toml", code=2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("budget = 12", "budgt = 12", 'optimise.budgt: is not known here, did you mean "budget"?'),
        ("at_most = -1.4", "at_most = -1.4\nat_least = -5", "one of them"),
        ('endpoint = "albi_d90"', 'endpoint = "albi_d9"', 'albi_dN is there for N = 7, 28, 90'),
    ],
)
def test_mistakes_of_optimise_are_told_before_any_run(folder, old, new, said):
    (folder / "study.toml").write_text((folder / "study.toml").read_text().replace(old, new))
    assert said in call("optimise", "study.toml", code=2)
    assert not (folder / "quick_best.toml").exists()


def test_what_is_stopped_keeps_its_runs_and_the_same_command_goes_on(folder, monkeypatch):
    from tme_sim.study import execute, open_store
    from tme_sim.study.runner import Runner

    made, real = [], Runner.rows

    def rows(self, points, threads=1):
        if len(made) == 1:
            made.append("stop")
            raise KeyboardInterrupt
        made.append(len(points))
        return real(self, points, threads)

    monkeypatch.setattr(Runner, "rows", rows)
    monkeypatch.setattr(execute, "BATCH", 3)
    asked = ("sensitivity", "arms.toml", "--method", "tornado", "--parameters", "k_T_exh", "--arm", "before")
    said = call(*asked, code=130)
    (store,) = folder.glob("runs/*.store")
    assert f"runs are kept in {store.relative_to(folder)}" in said and "the same command goes on" in said
    with open_store(store) as kept:
        assert len(kept) == 3
    assert "written to runs/" in call(*asked)
    whole = sum(n for n in made if n != "stop")
    with open_store(store) as kept:
        assert len(kept) == whole  # none was made twice
    call(*asked)
    assert sum(n for n in made if n != "stop") == whole


DOSE = """[[factor]]
name = "dose"
key = "protocol.treatment.bevacizumab.dose"
low = "5 mg/kg"
high = "30 mg/kg"
[[factor]]
name = "start"
key = "protocol.treatment.durvalumab.start"
relative_to = "first bevacizumab"
low = "-20 day"
high = "60 day"
[[factor]]
name = "doses"
key = "protocol.treatment.durvalumab.times"
low = 1
high = 3
[outputs]
"""


def test_local_derivatives_are_taken_at_the_values_of_the_scenario_dates_too(folder):
    text = (folder / "arms.toml").read_text()
    (folder / "one.toml").write_text(text[: text.index("[[arm]]")] + DOSE + 'endpoints = ["burden_d90"]\n')
    (folder / "base.toml").write_text((folder / "base.toml").read_text().replace(
        'dose = "1500 mg"\nstart = "day 0"', 'dose = "1500 mg"\nstart = "day 14"'))  # fmt: skip
    told = call("sensitivity", "one.toml", "--method", "local", "--out", "found")
    assert "at 15 mg/kg  (as used)" in told and "at 14 day  (as used)" in told
    assert "warning: left out, doses: too few steps for a derivative" in told
    found = {r["factor"]: r for r in rows(folder / "found" / "local.csv")}
    table = rows(folder / "found" / "runs.csv")
    near = {float(r["dose"]): float(r["burden_d90"]) for r in table if 14.4 < r["dose"] < 15.6}
    assert sorted(near) == pytest.approx([14.5, 15.5])  # 2 % of the range on both sides of the dose as it is
    assert found["dose"]["slope"] == pytest.approx((near[15.5] - near[14.5]) * 25)
    (folder / "base.toml").write_text((folder / "base.toml").read_text().replace('"15 mg/kg"', '"1000 mg"'))
    told = call("sensitivity", "one.toml", "--method", "local")
    assert "at 17.5 mg/kg  (middle of the range, as the value used is not in it or not known)" in told


def test_sobol_points_are_brought_up_to_a_power_of_two(folder, recwarn):
    told = call("sensitivity", "arms.toml", "--method", "sobol", "--parameters", "k_T_exh", "--arm", "before", "-n", "3")
    assert "warning: 4 base samples are run, as Sobol' points are balanced by powers of 2, not 3" in told
    assert "Sobol' indices lie outside 0 to 1" in told and "ask again with -n 16" in told
    assert "before, burden_d90: 4 base samples used" in told and not [w for w in recwarn if "power of 2" in str(w.message)]


def test_numbers_of_a_threshold_map_keep_clear_of_the_value_used():
    from tme_sim.findings import draw
    from tme_sim.findings.flips import Scan, flips_of

    place = np.linspace(0.0, 1.0, 13)
    scans = [Scan(f"p{k}", "1", ("a", "b"), place, np.array([np.zeros(13), place - at]), 1, 0.0)
             for k, at in enumerate((0.02, 0.5, 0.97))]  # fmt: skip
    flips = {scan.parameter: tuple(flips_of(scan)) for scan in scans}
    figure = draw.flips_figure(scans, flips, {"p0": 0.04, "p1": 0.52, "p2": 0.6}, title="", subtitle="")
    figure.canvas.draw()
    axes = figure.axes[0]
    numbers = [t for t in axes.texts if " to " not in t.get_text()]
    assert len(numbers) == 3
    inside = axes.get_window_extent()
    used = [axes.transData.transform((line.get_xdata()[0], 0))[0] for line in axes.lines if line.get_marker() == "D"]
    for k, text in enumerate(numbers):
        box = text.get_window_extent()
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1
        assert k == 0 or not box.x0 <= used[k] <= box.x1  # there is no room on either side of the first


def test_what_several_arms_differ_in_has_no_value_of_its_own(folder):
    from tme_sim.findings.runs import nominal_of
    from tme_sim.study import load_study

    both = load_study("arms.toml")
    starts = load_study("study.toml")
    vegf = starts.factor("vegf")
    assert nominal_of(starts, vegf) == 0.0 and nominal_of(both, vegf) is None


BIOLOGY = '[[factor]]\nname = "k"\nkey = "parameters.k_MDSC_death"\n[replicates]'


def test_the_optimiser_refuses_to_choose_what_a_protocol_file_cannot_hold(folder):
    study = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(study.replace("[replicates]", BIOLOGY))
    told = call("optimise", "study.toml", code=2)
    assert "factor k: sets parameters.k_MDSC_death, which is no part of a protocol" in told
    arms = '[[arm]]\nname = "slow"\nset = { "parameters.k_MDSC_death" = "0.01 1/day" }\n[[arm]]\nname = "usual"\n'
    (folder / "study.toml").write_text(study.replace("[replicates]", arms + "[replicates]"))
    assert "take one of them with --arm slow" in call("optimise", "study.toml", code=2)
    assert not list(folder.glob("*_best.toml")) and not list(folder.glob("runs/*"))
    said = "found with parameters.k_MDSC_death = 0.01 1/day of arm slow, which this file does not hold"
    assert said in call("optimise", "study.toml", "--arm", "slow")
    assert said in (folder / "quick_best.toml").read_text()


@pytest.mark.parametrize("name", ["dose", "an_uncommonly_long_name_of_a_parameter_48_letters"])
def test_names_of_parameters_stay_on_the_paper_and_clear_of_each_other(name):
    from itertools import combinations

    from tme_sim.findings import draw, drive
    from tme_sim.findings.sensitivity import Index, Morris

    names = (name, "k_T_exh", "p_v", "Bmax_trap", f"{name[:40]}_too", "nothing")
    size = np.array([28.0, 27.9, 0.2, 0.25, 14.0, 0.0])
    bars = [Index(v, v - 1, v + 1) for v in size]
    words = {"title": "What decides it?", "subtitle": "", "label": "burden"}
    found = Morris(names, tuple(bars), size, 0.4 * size, 10, 0)
    tornado = drive.Tornado(names, 3.0, 3.0 - size, 3.0 + size, 0)
    for figure in (draw.morris_figure(found, **words), draw.tornado_figure(tornado, **words),
                   draw.bars_figure(names, {"slope": bars}, **words)):  # fmt: skip
        figure.canvas.draw()
        (axes,) = figure.axes
        boxes = [t.get_window_extent() for t in (*axes.texts, *axes.get_yticklabels()) if t.get_text()]
        assert all(b.x0 >= 0 and b.x1 <= figure.bbox.x1 for b in boxes)
        boxes = [t.get_window_extent() for t in axes.texts]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_a_finding_leaves_the_table_and_the_report_of_a_sweep_as_they_were(folder):
    call("sweep", "study.toml", "--out", "kept", "--jobs", "0")
    call("sensitivity", "study.toml", "--method", "tornado", "--store", "kept")
    call("export", "csv", "kept", "--out", "kept.csv")
    assert (folder / "kept.csv").read_text() == (folder / "kept" / "table.csv").read_text()
    call("report", "kept", "--out", "kept.html")
    assert "36 of 36 with a result" in (folder / "kept.html").read_text()
    call("sensitivity", "study.toml", "--method", "tornado", "--store", "only")
    call("export", "csv", "only", "--out", "only.csv")  # a store of findings alone gives the last of them


def test_mechanisms_beside_a_study_are_pointed_to_and_not_loaded(folder):
    own = ROOT / "experiments" / "hypotheses" / "chiu2017_entpd2_pd1"
    for command in (("hypothesis", "run"), ("sensitivity",), ("sweep", "--out", "s")):
        told = call(*command, str(own), code=2)
        assert "entpd2_blocked: is no parameter" in told
        assert f"add --mechanisms {own / 'mechanisms'}" in told
    assert "holds mechanisms" not in call("hypothesis", "run", "my.toml", code=2)


def test_a_large_number_of_runs_asks_for_yes(folder, monkeypatch):
    from tme_sim.study import expected

    monkeypatch.setattr(expected, "MANY", 3)
    said = call("sensitivity", "arms.toml", "--method", "morris", "--parameters", "k_T_exh", code=2)
    assert "go on with --yes" in said and not list(folder.glob("runs/*.store"))
    assert "runs are kept" not in said


@pytest.mark.parametrize("method, rows", [("sobol", 2**23 * 3), ("prcc", 8_000_000), ("morris", 4)])
def test_millions_of_runs_are_refused_before_their_design_is_made(folder, monkeypatch, method, rows):
    from tme_sim.findings import drive
    from tme_sim.study import expected

    monkeypatch.setattr(drive, "_design", lambda *_: pytest.fail("made a design that is refused"))
    monkeypatch.setattr(expected, "MANY", 3)
    monkeypatch.setattr(expected, "_free", lambda path: 1e15)
    said = call("sensitivity", "arms.toml", "--method", method, "--parameters", "k_T_exh", "-n", "8000000", code=2)
    assert f"is large: {4 * (rows + 1)} runs, about " in said and "go on with --yes" in said
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("method, n", [("morris", 0), ("morris", 7), ("sobol", 8), ("prcc", 0), ("prcc", 30)])
def test_the_size_of_a_design_is_known_before_it_is_made(method, n):
    from tme_sim.findings.drive import _design, _size

    made = _design(method, np.full(5, 0.5), n, 0, np.full(5, 0.02))
    assert _size(method, 5, n) == len(made) >= len(np.unique(made, axis=0))


def test_a_search_that_the_disk_does_not_hold_is_told_before_it_begins(folder, monkeypatch):
    from tme_sim.study import expected

    monkeypatch.setattr(expected, "_free", lambda path: 1000)
    said = call("optimise", "study.toml", code=2)
    assert "but only 1 kB are free" in said and "free some space" in said
    assert not (folder / "runs").exists() and not list(folder.glob("*best*"))


def test_where_every_run_fails_the_first_failure_is_told(folder):
    text = (folder / "arms.toml").read_text()
    (folder / "arms.toml").write_text(text.replace("[replicates]", '[set]\n"run.max_steps" = 20\n[replicates]'))
    said = call("sensitivity", "arms.toml", "--method", "tornado", "--parameters", "k_T_exh", code=2)
    assert "runs has a result; the first: the integration ended" in said


def test_a_default_of_the_patient_is_the_value_used(folder):
    from tme_sim.findings.runs import nominal_of
    from tme_sim.study import load_study

    weight = '[[factor]]\nname = "weight"\nkey = "patient.weight"\nlow = "50 kg"\nhigh = "100 kg"\n'
    (folder / "weight.toml").write_text((folder / "arms.toml").read_text().replace("[replicates]", f"{weight}[replicates]"))
    made = load_study(folder / "weight.toml")
    assert nominal_of(made, made.factor("weight")) == 70.0


def test_links_that_agent_tissue_does_not_have_are_not_among_what_is_cut_by_itself(folder):
    from tme_sim.findings.drive import cut
    from tme_sim.findings.runs import LINKS, Runs
    from tme_sim.study import load_study

    class Asked(Exception):
        pass

    def seen(self, *_):
        raise Asked(*{arm.name.partition(" / ")[2] for arm in self.study.arms})

    for tissue, more in (("density", set()), ("agents", {"vessels_on_oxygen"})):
        head = (folder / "arms.toml").read_text()
        (folder / "cut.toml").write_text(head.replace("[replicates]", f'[set]\n"tissue" = "{tissue}"\n[replicates]', 1))
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Asked) as told:
            patch.setattr(Runs, "afford", seen)
            cut(load_study(folder / "cut.toml"))
        assert set(LINKS) - set(told.value.args) == more
