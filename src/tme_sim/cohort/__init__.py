"""Virtual patients and virtual trials.

A cohort file says from which distributions the patients of a trial come (its case mix; the biology is shared by all
cohorts), a trial file which arms they go through and how a trial would see them.  Patients are numbered: patient 7 of
seed 1 is the same one in every arm, batch and run.
"""

from tme_sim.cohort.cohort import Cohort, Eligibility, load_cohort
from tme_sim.cohort.patients import VirtualPatient, make_patients
from tme_sim.cohort.running import TrialResult, run_trial
from tme_sim.cohort.trial import Trial, load_trial

__all__ = [
    "Cohort",
    "Eligibility",
    "Trial",
    "TrialResult",
    "VirtualPatient",
    "load_cohort",
    "load_trial",
    "make_patients",
    "run_trial",
]
