"""Texts that `tme-sim config new` writes."""

NEW_SCENARIO = """# A scenario of tme_sim.  Every quantity has a unit; tme-sim config check FILE finds mistakes.
schema = 1
name = "my_scenario"
title = "What this scenario asks"
seed = 1

[patient]
weight = "70 kg"

[[patient.lesion]]
name = "main"
diameter = "50 mm"
doubling_time = "160 day"

# [biology]
# off = ["purinergic"]                           # mechanisms switched off
# hypotheses = { "mdsc.loss" = "slow_turnover" }  # registered alternatives, see tme-sim describe

# [parameters]
# k_hif2 = "3 1/day"                              # any parameter of the model

[[protocol.treatment]]
kind = "tace"
start = "day 0"
technique = "conventional"
drug_load = "50 mg"                              # doxorubicin

[[protocol.treatment]]
kind = "drug"
name = "anti-VEGF"
drug = "bevacizumab"
dose = "15 mg/kg"
start = "14 day after last tace"
every = "3 weeks"
until = "day 365"

[[protocol.scan]]
start = "day 0"
every = "8 weeks"

[run]
duration = "365 day"
"""
