"""A member of a calibration in place of the declared values: what it sets, what wins over it, and what is refused."""

import json
import re

import numpy as np
import pytest

from tme_sim.calibrated import draw_numbers, posterior_at
from tme_sim.catalogue import load_catalogue
from tme_sim.diagnostics import InputError
from tme_sim.plan import plan_of
from tme_sim.posterior import posterior_text
from tme_sim.quantities import internal
from tme_sim.scenario import Scenario

FILE = "configs/posteriors/default.json"


def scenario(**more):
    return Scenario.load("configs/emerald1.toml", {"posterior.file": FILE} | {k.replace("__", "."): v for k, v in more.items()})


@pytest.fixture(scope="module")
def posterior():
    return posterior_at(FILE)


def test_a_member_sets_parameters_of_the_model_numbers_of_embolisation_and_of_drugs(posterior):
    values = posterior.values(7)
    plan = plan_of(scenario(posterior__member=7))
    assert plan.values["k_T_exh"] == pytest.approx(values["k_T_exh"], rel=1e-12)
    assert plan.session["reach"] == pytest.approx(values["reach"], rel=1e-12)
    assert "tki_IC50" not in plan.values  # no lenvatinib is given
    assert scenario(posterior__member=7).parameters["lenvatinib.signalling_ic50"].unit == "nM"
    assert {"occult_liver.median", "g0.mean"} <= set(draw_numbers(values, load_catalogue()))
    assert plan.hypotheses.items() >= posterior.hypotheses.items()


def test_the_typical_member_is_the_mean_of_what_was_fitted_and_leaves_the_rest_alone(posterior):
    values = posterior.values()
    fitted = {p["name"] for p in posterior.data["parameters"] if p["fitted"]}
    assert values.keys() == fitted and 1 <= len(fitted) < len(posterior.priors.names)
    at = posterior.priors.names.index("k_necrosis_clear")
    mean = np.average(posterior.scores[:, at], weights=posterior.weights)
    inside = posterior.priors.values(np.where(np.arange(len(posterior.priors.names)) == at, mean, 0.0))[at]
    assert values["k_necrosis_clear"] == pytest.approx(inside)


def test_what_the_scenario_says_itself_wins():
    own = scenario(parameters__k_T_exh="0.2 1/day", parameters__lenvatinib__signalling_ic50="3 nM")
    assert plan_of(own).values["k_T_exh"] == pytest.approx(internal("0.2 1/day"))
    assert str(own.parameters["lenvatinib.signalling_ic50"]) == "3 nM" and own.origin(("parameters", "k_T_exh")) == "--set"
    assert own.origin(("parameters", "k_necrosis_clear")) == "default.json, member typical"


def test_the_resolved_scenario_stands_alone_with_the_values_in_it():
    one = scenario(posterior__member=3)
    again = Scenario.from_text(one.to_toml())
    assert again.posterior is None and again.digest == one.digest and again.to_toml() == one.to_toml()
    assert one.calibrated.member == 3 and one.digest != scenario(posterior__member=4).digest


def test_another_member_is_another_patient_of_the_same_calendar():
    one = scenario()
    other = one.changed({"posterior.member": 5})
    assert other.calendar.entries == one.calendar.entries and other.digest == scenario(posterior__member=5).digest
    assert one.calibrated.member == "typical"


@pytest.mark.parametrize(("changes", "says"), [
    ({"posterior.member": 500}, "posterior.member: there is no member 500; they are counted from 1 to 120"),
    ({"posterior.member": 0}, 'posterior.member: must be the number of a member, from 1, or "typical"'),
    ({"posterior.member": 1.5}, 'posterior.member: must be the number of a member, from 1, or "typical"'),
    ({"posterior.share": 1.5}, "posterior.share"),
    ({"posterior.file": "configs/posteriors/defaul.json"}, 'there is no such file, did you mean "default.json"?'),
    ({"posterior.file": "configs/emerald1.toml"}, "is no posterior file"),
    ({"biology.hypotheses.tumour.resorption": "margin"}, 'is "margin", and the posterior was fitted under "front"'),
])
def test_what_cannot_be_followed_is_refused(changes, says):
    with pytest.raises(InputError, match=re.escape(says)):
        Scenario.load("configs/emerald1.toml", {"posterior.file": FILE} | changes)


def test_equal_shares_meet_members_as_often_as_they_weigh(posterior):
    met = np.bincount([posterior.at((i + 0.5) / 20000) for i in range(20000)], minlength=121)[1:]
    assert met / 20000 == pytest.approx(posterior.weights / posterior.weights.sum(), abs=1e-4)
    assert scenario(posterior__share=0.5).calibrated.member == posterior.at(0.5)


def test_a_member_without_a_file_is_refused():
    with pytest.raises(InputError, match=r"posterior\.file: is missing"):
        Scenario.load("configs/emerald1.toml", {"posterior.member": 1})


def test_a_file_that_is_written_again_is_read_again(tmp_path, posterior):
    path = tmp_path / "one.json"
    path.write_text(posterior_text(dict(posterior.data)))
    assert posterior_at(path).name == posterior.name
    path.write_text(posterior_text(dict(posterior.data) | {"name": "another one"}))
    assert posterior_at(path).name == "another one"
    assert json.loads(path.read_text())["name"] == "another one"


def test_a_study_may_vary_the_member_and_knows_whose_it_was(tmp_path, posterior):
    from tme_sim.study.reading import study_from_text

    path = tmp_path / "posterior.json"
    text = """schema = 1
name = "members"
base = "{base}"
[set]
"posterior.file" = "{path}"
[[factor]]
name = "member"
key = "posterior.member"
values = [1, 2, 3]
[design]
kind = "grid"
"""
    keys = {}
    for name in ("one", "another"):
        path.write_text(posterior_text(dict(posterior.data) | {"name": name}))
        study = study_from_text(text.format(base=(tmp_path.cwd() / "configs/tace_only.toml"), path=path), "members.toml")
        assert [study.plan(p).session["reach"] for p in study._points] == [posterior.values(m)["reach"] for m in (1, 2, 3)]
        keys[name] = study.keys
    assert len({*keys["one"], *keys["another"]}) == 6
