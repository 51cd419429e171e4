"""Child-Pugh points: of albumin and bilirubin, or of ascites and prothrombin time as well, which is a rival account.

Biology.  The class has five signs.  Where portal pressure is high, a liver that loses function lets ascites form, and
makes less of the clotting factors, which live for hours to days: the international normalised ratio (INR) was worse in
25 % of 572 patients within 29 days of a session and in 15 % at 30 to 90 days (DOI 10.1186/s12885-019-5989-2), and
ascites that begins or grows counts, with jaundice and encephalopathy, as the liver failure that 17 of 98 patients with
ascites had within two weeks (DOI 10.1097/MCG.0b013e318210ff17).  Class A becomes B in 9 to 14 % per session (Dig Dis
2017;35:602), which albumin and bilirubin alone do not give.

Simplified.  By default ascites, encephalopathy and INR count one point each, for good.  The rival `signs`: a patient
has slight ascites, a second point, where ALBI lies above a value of their own, which stands for portal pressure; INR
rises exponentially with the shift of ALBI since entry, without lag.  All steps are smooth.

Where prothrombin is told as activity, as in Japan, 70 % and 40 % make the points: an INR of 1.14 and 1.49
(https://www.medicalalgorithms.com/estimating-the-percent-prothrombin-complex-activity-from-the-inr), not of 1.7 and
2.3.  `cp_inr_low` and `cp_inr_high` can be set to them.

Not included.  Encephalopathy; moderate ascites, a third point; what cohorts count at entry, which is albumin and
bilirubin alone; diuretics, shunts, bleeding, vitamin K, anticoagulants.

Against the rival: early ascites after embolisation went with a history of ascites, albumin and haemoglobin, not with
tumour load (DOI 10.1186/s12876-020-01307-x), so a session need not be its cause.
"""

from tme_sim.laws import exp
from tme_sim.network import Hypothesis, Mechanism, Signal
from tme_sim.quantities import Parameter


def beyond(x, cut, width):
    """Logistic step from 0 to 1 where `x` passes `cut`; 0.1 and 0.9 at 2.2 times `width` from it."""
    return 1 / (1 + exp((cut - x) / width))


def child_pugh_of(
    albumin,
    bilirubin,
    cp_albumin_high,
    cp_albumin_low,
    cp_albumin_width,
    cp_bilirubin_low,
    cp_bilirubin_high,
    cp_bilirubin_width,
):
    """Child-Pugh points from albumin and bilirubin with smooth cuts; INR, ascites and encephalopathy count 1 each."""
    return (
        7
        - beyond(albumin, cp_albumin_high, cp_albumin_width)
        - beyond(albumin, cp_albumin_low, cp_albumin_width)
        + beyond(bilirubin, cp_bilirubin_low, cp_bilirubin_width)
        + beyond(bilirubin, cp_bilirubin_high, cp_bilirubin_width)
    )


def inr_of_reserve(inr_base, inr_per_albi, liver_shift):
    """INR rises as the liver makes less of the clotting factors."""
    return inr_base * exp(inr_per_albi * liver_shift)


def point_of_ascites(albi_reserve, ascites_albi, ascites_width):
    """Slight ascites where the reserve is worse than this patient's portal pressure lets pass: one point more."""
    return beyond(albi_reserve, ascites_albi, ascites_width)


def points_of_inr(inr, cp_inr_low, cp_inr_high, cp_inr_width):
    """Points of INR beyond the first, with smooth cuts."""
    return beyond(inr, cp_inr_low, cp_inr_width) + beyond(inr, cp_inr_high, cp_inr_width)


def points_of_all_signs(blood_points, ascites_point, inr_points):
    """Child-Pugh points of albumin, bilirubin, ascites and INR; encephalopathy counts 1."""
    return blood_points + ascites_point + inr_points


TRICHOTOMY = "https://www.msdmanuals.com/professional/multimedia/table/child-turcotte-pugh-scoring-system"
LIVERT = "DOI 10.1186/s12885-019-5989-2: worse in 25 % of 572 patients within 29 days"

SIGNS = Hypothesis(
    "liver.points", "signs", "ascites and prothrombin time make Child-Pugh points, and worsen with the reserve",
    f"{LIVERT}; DOI 10.1097/MCG.0b013e318210ff17; against it: DOI 10.1186/s12876-020-01307-x",
    laws={"child_pugh": points_of_all_signs},
    adds=Mechanism(
        "liver", "",
        parameters=(
            Parameter("inr_base", 1.1, "1", "no source found; usual in cirrhosis with good function, from memory",
                      "assumed", 0.9, 1.6, "INR at entry, by patient"),
            Parameter("inr_per_albi", 0.3, "1", f"no size found; {LIVERT}", "assumed", 0.1, 0.8,
                      "log-rise of INR per shift of ALBI"),
            Parameter("cp_inr_low", 1.7, "1", TRICHOTOMY, "high", 1.13, 1.7,
                      "above: second point; 1.14 where 70 % of prothrombin activity is counted"),
            Parameter("cp_inr_high", 2.3, "1", TRICHOTOMY, "high", 1.48, 2.3,
                      "above: third point; 1.49 where 40 % of prothrombin activity is counted"),
            Parameter("cp_inr_width", 0.03, "1", "smoothing of the cuts, by construction", "assumed", 0.005, 0.1,
                      "10 to 90 % of a point within 2.2 times this of a cut"),
            Parameter("ascites_albi", -1.2, "1", "no source found; half of patients of the third grade decompensate in "
                      "three years (DOI 10.3748/wjg.v29.i32.4873)", "assumed", -2.6, 0.0,
                      "ALBI above which this patient has ascites, by patient"),
            Parameter("ascites_width", 0.03, "1", "smoothing of the cut, by construction", "assumed", 0.005, 0.1,
                      "10 to 90 % of the point within 2.2 times this of the cut"),
        ),
        signals=(
            Signal("blood_points", child_pugh_of, "1", "Child-Pugh points of albumin and bilirubin", where="body"),
            Signal("inr", inr_of_reserve, "1", "international normalised ratio", where="body"),
            Signal("ascites_point", point_of_ascites, "1", "point of ascites, smooth", where="body"),
            Signal("inr_points", points_of_inr, "1", "points of INR, smooth", where="body"),
        ),
    ),
)  # fmt: skip
