"""Calibration and predictions: a posterior ensemble from what the parts do alone, and what it says of combinations.

The order of work: targets are data (:mod:`tme_sim.fit.targets`); every simulated run has a patient and a parameter
vector of its own (:mod:`tme_sim.fit.design`); regressions over these runs say how each target depends on each
parameter (:mod:`tme_sim.fit.emulator`); few parameters are chosen by what the targets tell about them
(:mod:`tme_sim.fit.choose`); a sampler draws from the posterior (:mod:`tme_sim.fit.sampler`), whose draws are simulated
again (:mod:`tme_sim.fit.calibrate`); predictions come from these draws (:mod:`tme_sim.fit.predictions`).
"""
