"""A small study whose runs are quick, shared by the tests of findings."""

from __future__ import annotations

import pytest

BASE = """
schema = 1
name = "quick"
[[patient.lesion]]
name = "main"
diameter = "50 mm"
doubling_time = "160 day"
[[protocol.treatment]]
kind = "tace"
start = "day 0"
technique = "conventional"
[[protocol.treatment]]
drug = "bevacizumab"
dose = "15 mg/kg"
start = "day 0"
every = "3 weeks"
times = 3
[[protocol.treatment]]
drug = "durvalumab"
dose = "1500 mg"
start = "day 0"
every = "4 weeks"
times = 3
[[protocol.scan]]
start = "day -28"
every = "8 weeks"
[run]
duration = "92 day"
output_every = "7 day"
"""
STUDY = """
schema = 1
name = "quick"
base = "base.toml"
[[factor]]
name = "vegf"
key = "protocol.treatment.bevacizumab.start"
low = "-14 day"
high = "28 day"
levels = 3
[[factor]]
name = "pd1"
key = "protocol.treatment.durvalumab.start"
low = "-14 day"
high = "28 day"
levels = 3
[replicates]
count = 4
[[replicates.draw]]
name = "doubling_time"
key = "patient.lesion.1.doubling_time"
low = "120 day"
high = "240 day"
[outputs]
endpoints = ["burden_d90"]
[surface.orders]
"both after" = [14, 14]
[optimise]
budget = 12
[[optimise.constraint]]
endpoint = "albi_d90"
at_most = -1.4
"""
ARMS = """
schema = 1
name = "arms"
base = "base.toml"
[[arm]]
name = "before"
set = { "protocol.treatment.bevacizumab.start" = "day -14", "protocol.treatment.durvalumab.start" = "day -14" }
[[arm]]
name = "after"
set = { "protocol.treatment.bevacizumab.start" = "day 14", "protocol.treatment.durvalumab.start" = "day 14" }
[replicates]
count = 2
[[replicates.draw]]
name = "doubling_time"
key = "patient.lesion.1.doubling_time"
low = "120 day"
high = "240 day"
[outputs]
endpoints = ["burden_d90"]
"""
CARD = """
schema = 1
name = "early"
claim = "Early <b>starts</b> leave less tumour"
study = "arms.toml"
[[prediction]]
text = "less tumour with both before"
outcome = "burden_d90"
arm = "before"
than = "after"
[[refute]]
measurement = "volume on day 90"
refuted_if = "no less"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a base, a study over two dates, one with two arms and a card; the working folder is there."""
    for name, text in (("base.toml", BASE), ("study.toml", STUDY), ("arms.toml", ARMS), ("card.toml", CARD)):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path
