"""Liver: reserve in ALBI units, albumin, bilirubin and Child-Pugh points, injury, interleukin-6 and the NLR.

Biology.  Embolisation also starves liver around the tumour.  Function falls within days and mostly returns within one
to two months, but each session leaves a part behind (ALBI grade worse in 24 % acutely and in 16 % lastingly, DOI
10.3390/cancers13174325); a growing tumour replaces liver besides.  Injured parenchyma raises interleukin-6, about
eightfold on day 4 and still up on day 7 (TAE, n = 17).  Interleukin-6 mobilises neutrophils and drives lymphocytes
out of blood: their ratio goes from 2.4 to 6.3 on day 3 and back within a month (n = 380, DOI
10.21037/atm.2020.02.113). Inflammation also lowers albumin, before and beyond what the reserve explains.

Simplified.  `albi_transient` decays by first order; `albi_permanent` is never regained; `liver_replaced` follows the
liver share of all lesions at the same rate.  Their sum is the shift of ALBI since entry, so ALBI is exact and one
choice remains: albumin carries `albumin_share` of a small shift and saturates at zero, bilirubin carries the rest, so
bilirubin rises late, as in failing livers.  One unit of `injury` is that of a session in a whole lobe.  Interleukin-6
itself clears within hours; the state moves as slowly as the cells that make it.  Albumin, bilirubin and points have
no lag of their own.  Untreated, everything rests but what follows the growing tumour: its ALBI term and, through it,
neutrophils.

Not included.  Prothrombin time, ascites and encephalopathy as amounts: each counts one point, and the decompensation
that they make up is a hazard of ALBI that the clinic may draw from.  Regeneration, portal pressure, antiviral
therapy, infection, steroid premedication, transaminases.
"""

from tme_sim.laws import exp, log, saturate
from tme_sim.mechanisms.child_pugh import SIGNS, TRICHOTOMY, child_pugh_of
from tme_sim.mechanisms.repair import REPAIR
from tme_sim.network import Mechanism, Modulation, Reference, Signal, Species, Total, arrival, decay
from tme_sim.quantities import Parameter

LN10 = 2.302585092994046
ALBI_CUTS = (-2.60, -1.39)
NOBODY = "no source found"


# --- laws: reserve --------------------------------------------------------------------------------------------------


def recover(k_recL):
    """Transient loss of liver function is regained with a half-time of about two weeks (most by 4-8 weeks)."""
    return k_recL


def tumour_replaces_liver(k_recL, tumour_share):
    """The liver feels the share that tumour replaces with the delay of its own recovery."""
    return k_recL * tumour_share


def volume_in_liver(lesion_volume, extrahepatic):
    """Volume of a lesion that lies in the liver."""
    return lesion_volume * (1 - extrahepatic)


def replaced_share(tumour_volume, liver_volume):
    """Share of the liver that tumour has replaced."""
    return tumour_volume / liver_volume


def shift_of_albi(albi_transient, albi_permanent, k_L_tumour, liver_replaced, liver_replaced_base):
    """Shift of ALBI since entry; the patient's ALBI at entry already holds the tumour of that day."""
    return albi_transient + albi_permanent + k_L_tumour * (liver_replaced - liver_replaced_base)


def albi_formula(albumin, bilirubin, albi_weight_albumin, albi_weight_bilirubin, bilirubin_unit):
    """ALBI = 0.66 log10(bilirubin, umol/L) - 0.085 albumin, g/L (Johnson 2015, DOI 10.1200/JCO.2014.57.9151)."""
    return albi_weight_bilirubin / LN10 * log(bilirubin / bilirubin_unit) - albi_weight_albumin * albumin


def log_change_of_reserve(albumin_share, liver_shift, albi_weight_albumin, albumin_base):
    """Log-change of albumin that goes with the shift of ALBI.

    Albumin takes `albumin_share` of a small shift; as an exponential it can never fall below zero.
    """
    return -(albumin_share * liver_shift / (albi_weight_albumin * albumin_base))


def log_change_of_albumin(reserve_change, albumin_inflamed, inflammation):
    """Log-change of albumin since entry: inflammation shifts it out of the vessels and slows its synthesis."""
    return reserve_change - albumin_inflamed * inflammation


def albumin_after(albumin_base, change):
    """Albumin after a log-change since entry."""
    return albumin_base * exp(change)


def bilirubin_of_reserve(
    bilirubin_base, liver_shift, albumin_base, albumin_reserve, albi_weight_albumin, albi_weight_bilirubin
):
    """Bilirubin that takes up what albumin leaves of the shift, so that ALBI moves by exactly the shift."""
    left = liver_shift - albi_weight_albumin * (albumin_base - albumin_reserve)
    return bilirubin_base * exp(LN10 / albi_weight_bilirubin * left)


def point_change(child_pugh, child_pugh_base):
    """Child-Pugh points gained since entry; what clearances read."""
    return child_pugh - child_pugh_base


def decompensate(k_decompensation, albi, albi_reference, decompensation_slope):
    """Hazard of first ascites, bleeding or encephalopathy, log-linear in ALBI (DOI 10.3748/wjg.v29.i32.4873)."""
    return k_decompensation * exp(decompensation_slope * (albi - albi_reference))


# --- laws: injury and inflammation ----------------------------------------------------------------------------------


def heal(k_injury):
    """Injured parenchyma is cleared and replaced."""
    return k_injury


def make_IL6(k_IL6):
    """Basal interleukin-6, scaled so that its level at rest is 1."""
    return k_IL6


def lose_IL6(k_IL6):
    """The cells that make interleukin-6 calm down; the molecule itself is gone within hours."""
    return k_IL6


def injury_raises_IL6(injury, IL6_per_injury):
    """Debris of injured parenchyma makes Kupffer cells and monocytes secrete interleukin-6."""
    return 1 + IL6_per_injury * injury


def inflame(IL6, K_IL6):
    """Response to interleukin-6 above its resting level, saturating."""
    return saturate(IL6 - 1, K_IL6)


def make_neutrophils(k_neutrophil, neutrophils_base):
    """Marrow release that keeps the untreated count."""
    return k_neutrophil * neutrophils_base


def lose_neutrophils(k_neutrophil):
    """Neutrophils leave blood within a day."""
    return k_neutrophil


def inflammation_mobilises_neutrophils(inflammation, neutrophil_rise):
    """Interleukin-6 mobilises the marrow and the vessel-wall pool."""
    return 1 + neutrophil_rise * inflammation


def tumour_mobilises_neutrophils(neutrophil_tumour, liver_replaced, liver_replaced_base):
    """Larger tumours keep up more neutrophils (NLR of 3 and above goes with tumours beyond 5 cm, PMC6759430)."""
    return exp(neutrophil_tumour * (liver_replaced - liver_replaced_base))


def make_lymphocytes(k_lymphocyte, lymphocytes_base):
    """Lymphocytes entering blood at rest."""
    return k_lymphocyte * lymphocytes_base


def lose_lymphocytes(k_lymphocyte):
    """Lymphocytes leaving blood at rest."""
    return k_lymphocyte


def inflammation_drives_lymphocytes_out(inflammation, lymphocyte_fall):
    """Stress and interleukin-6 drive lymphocytes into tissue."""
    return 1 + lymphocyte_fall * inflammation


def ratio(neutrophils, lymphocytes):
    """Neutrophil-to-lymphocyte ratio."""
    return neutrophils / lymphocytes


# --- for the clinic -------------------------------------------------------------------------------------------------


def albi_grade(albi: float) -> int:
    """ALBI grade 1, 2 or 3 of a score: 1 up to -2.60, 3 above -1.39 (Johnson 2015, DOI 10.1200/JCO.2014.57.9151)."""
    return 1 + sum(albi > cut for cut in ALBI_CUTS)


def session_burden(exposed: float, albi_session: float, albi_persist: float) -> dict[str, float]:
    """What one TACE session adds to the liver's states.

    Args:
        exposed: share of a whole-lobe session that parenchyma sees, 0 (superselective) to 1.
        albi_session: ALBI shift of a whole-lobe session, the parameter of that name.
        albi_persist: share of it that is never regained, the parameter of that name.

    Returns:
        Amounts to add to `albi_transient`, `albi_permanent` and `injury`; the first two sum to the shift.

    Raises:
        ValueError: `exposed` or `albi_persist` outside 0 to 1, or a negative `albi_session`.
    """
    if not (0.0 <= exposed <= 1.0 and 0.0 <= albi_persist <= 1.0 and albi_session >= 0.0):
        raise ValueError(
            f"session_burden: exposed ({exposed}) and albi_persist ({albi_persist}) must lie in 0..1 and albi_session "
            f"({albi_session}) must not be negative"
        )
    shift = exposed * albi_session
    return {
        "albi_transient": (1.0 - albi_persist) * shift,
        "albi_permanent": albi_persist * shift,
        "injury": exposed,
    }


JOHNSON = "DOI 10.1200/JCO.2014.57.9151 (Johnson 2015)"
NLR_TACE = "DOI 10.21037/atm.2020.02.113, n = 380: NLR 2.4 before, 6.3 on day 3, 2.4 at one month"
TAE_IL6 = "TAE without protease inhibitor, n = 17 (Cancer; https://scilit.net/publications/27f0220d2e5170bb3ac45edeeeeaf519)"
DECOMPENSATION = "DOI 10.3748/wjg.v29.i32.4873, n = 123: 3.1, 22.6, 50 % in three years by ALBI grade"


def _p(name, value, unit, source, grade, low, high, note, **bounds) -> Parameter:
    return Parameter(
        name=name, value=value, unit=unit, source=source, grade=grade, low=low, high=high, note=note, **bounds
    )


MECHANISM = Mechanism(
    name="liver",
    text=__doc__,
    parameters=(
        _p("albumin_base", 39.6, "g/L",
           "split of mean ALBI -2.59 +- 0.62 (HBV-HCC, DOI 10.3892/etm.2018.5748); split ours",
           "low", 20.0, 52.0, "albumin at entry, by patient"),
        _p("bilirubin_base", 15.0, "umol/L", "split of mean ALBI -2.59 +- 0.62 (DOI 10.3892/etm.2018.5748); split ours",
           "low", 3.0, 100.0, "bilirubin at entry, by patient"),
        _p("albi_weight_albumin", 0.085, "L/g", JOHNSON, "high", 0.085, 0.0852, "formula"),
        _p("albi_weight_bilirubin", 0.66, "1", JOHNSON, "high", 0.66, 0.66, "formula, per tenfold"),
        _p("bilirubin_unit", 1.0, "umol/L", JOHNSON, "high", 1.0, 1.0, "unit of bilirubin in the formula"),
        _p("albumin_share", 0.8, "1",
           "derived: day 3 after TACE with ablation, n = 53: albumin 42.5 to 34.6 g/L is 0.67, "
           "bilirubin 22.1 to 34.1 umol/L 0.12 of ALBI; after TACE alone albumin is worse in 52 %, bilirubin in 30 % "
           "(DOI 10.1186/s12885-019-5989-2)", "low", 0.5, 0.95, "share of a small ALBI shift that albumin carries"),
        _p("albi_session", 0.3, "1", f"{NOBODY}; set by 24 % acute grade migration (DOI 10.3390/cancers13174325)",
           "low", 0.1, 0.8, "ALBI shift of a TACE session that exposes a whole lobe"),
        _p("albi_persist", 0.3, "1", f"{NOBODY}; 16 % lasting grade migration (DOI 10.3390/cancers13174325)", "low",
           0.1, 0.7, "share of that shift that is never regained", maximum=1.0),
        _p("k_recL", 0.0495, "1/day", f"{NOBODY}; most courses are back by 4-8 weeks (DOI 10.2147/JHC.S503581)", "low",
           0.0231, 0.099, "recovery of liver function, half-time 14 d (7-30)"),
        _p("k_L_tumour", 0.5, "1", f"{NOBODY}; high burden predicts worsening (DOI 10.3390/cancers13174325)", "low",
           0.1, 2.0, "ALBI per share of liver replaced by tumour"),
        _p("liver_volume", 1500.0, "mL", "average of a model of human liver (DOI 10.1371/journal.pcbi.1006005); by CT "
           "1058 +- 337 in 60 Chinese without liver disease (DOI 10.1007/s11684-012-0223-5), 122 + 16.5 per kg in 55 "
           "with HCC (PMC4171167): 1110 at 60 kg", "low", 900.0, 2500.0, "liver volume; measured in Chinese: smaller"),
        _p("cp_albumin_high", 35.0, "g/L", TRICHOTOMY, "high", 35.0, 35.0, "below: second point"),
        _p("cp_albumin_low", 28.0, "g/L", TRICHOTOMY, "high", 28.0, 30.0, "below: third point; some versions have 30"),
        _p("cp_bilirubin_low", 34.0, "umol/L", TRICHOTOMY, "high", 34.0, 35.0, "above: second point"),
        _p("cp_bilirubin_high", 51.0, "umol/L", TRICHOTOMY, "high", 50.0, 51.0, "above: third point"),
        _p("cp_albumin_width", 0.6, "g/L", "smoothing of the cuts, by construction", "assumed", 0.1, 2.0,
           "10 to 90 % of a point within 2.2 times this of a cut"),
        _p("cp_bilirubin_width", 1.2, "umol/L", "smoothing of the cuts, by construction", "assumed", 0.2, 4.0,
           "10 to 90 % of a point within 2.2 times this of a cut"),
        _p("k_decompensation", 6.2e-5, "1/day", f"derived from {DECOMPENSATION}; mid-grade ALBI -2.9, -2.1, -1.1 ours",
           "low", 2e-5, 2e-4, "hazard at the first grade cut; patients without HCC"),
        _p("albi_reference", -2.6, "1", JOHNSON, "high", -2.6, -2.6, "first grade cut"),
        _p("decompensation_slope", 1.7, "1", f"derived from {DECOMPENSATION}", "low", 1.0, 2.6, "log-hazard per ALBI"),
        _p("k_injury", 0.25, "1/day", f"derived: with k_IL6 it sets the peak of IL-6 on day 4 ({TAE_IL6})", "low", 0.1,
           0.7, "healing of injured parenchyma"),
        _p("k_IL6", 0.25, "1/day", f"peak on day 4: {TAE_IL6}", "low", 0.1, 0.7, "turnover of the source of IL-6"),
        _p("IL6_per_injury", 19.0, "1", f"eightfold at the peak: {TAE_IL6}", "medium", 8.0, 40.0,
           "rise of IL-6 secretion per unit of injury"),
        _p("K_IL6", 7.0, "1", f"{NOBODY}; half the response at the eightfold level seen after TAE", "assumed", 2.0,
           20.0, "IL-6 above rest that has half its effect on blood"),
        _p("albumin_inflamed", 0.1, "1", f"{NOBODY}; part of the fall by 7.9 g/L on day 3 (TACE with ablation, n = 53)",
           "assumed", 0.0, 0.3, "largest log-fall of albumin by inflammation"),
        _p("neutrophils_base", 3100.0, "cell/mm^3", f"{NOBODY} for HCC; normal range", "assumed", 1500.0, 7500.0,
           "neutrophils in blood at entry"),
        _p("lymphocytes_base", 1290.0, "cell/mm^3", f"derived: neutrophils over NLR 2.4 ({NLR_TACE})", "low", 500.0,
           3000.0, "lymphocytes in blood at entry"),
        _p("k_neutrophil", 1.0, "1/day", "half-life in blood 0.79 +- 0.25 days, so 0.9 a day: 9 healthy people, "
           "labelled glucose (Blood 2016;127:3431); older tracers 7 to 10 hours (PMC5064720)", "medium", 0.5, 3.0,
           "turnover of blood neutrophils"),
        _p("k_lymphocyte", 0.5, "1/day", f"{NOBODY} for counts that settle after stress", "assumed", 0.1, 2.0,
           "exchange of lymphocytes between blood and tissue; measured: single cells pass through blood faster, some "
           "12 times a day, see scilit.com/publications/e297516125ab25194be229210a683439"),
        _p("neutrophil_rise", 1.7, "1", f"day 3 of {NLR_TACE}; split between the two cells ours", "low", 0.5, 4.0,
           "largest relative rise of neutrophil release"),
        _p("lymphocyte_fall", 1.5, "1", f"day 3 of {NLR_TACE}; split between the two cells ours", "low", 0.3, 4.0,
           "largest relative rise of lymphocyte exit"),
        _p("neutrophil_tumour", 2.0, "1", f"{NOBODY}; NLR >= 3 goes with tumours > 5 cm (PMC6759430)", "assumed", 0.0,
           6.0, "log-rise of neutrophils per share of liver replaced since entry"),
    ),
    species=(
        Species("albi_transient", "1", "ALBI lost and to be regained", where="body", kind="pool", initial=0.0,
                scale=0.01),
        Species("albi_permanent", "1", "ALBI lost for good", where="body", kind="pool", initial=0.0, scale=0.01),
        Species("liver_replaced", "1", "share of liver replaced by tumour, as felt", where="body", kind="pool",
                initial="tumour_share", scale=0.01),
        Species("injury", "1", "injured parenchyma", where="body", kind="pool", initial=0.0, scale=0.01),
        Species("IL6", "1", "interleukin-6, relative", where="body", kind="pool", initial=1.0, scale=0.01, rest=1.0,
                ontology="UniProt:P05231"),
        Species("neutrophils", "cell/mm^3", "blood neutrophils", where="body", kind="pool", initial="neutrophils_base",
                scale=10.0, rest=3100.0, ontology="CL:0000775"),
        Species("lymphocytes", "cell/mm^3", "blood lymphocytes", where="body", kind="pool", initial="lymphocytes_base",
                scale=10.0, rest=1290.0, ontology="CL:0000542"),
    ),
    signals=(
        Signal("tumour_share", replaced_share, "1", "share of liver replaced by tumour", where="body"),
        Signal("liver_shift", shift_of_albi, "1", "shift of ALBI since entry", where="body"),
        Signal("inflammation", inflame, "1", "response of the body to IL-6", where="body"),
        Signal("reserve_change", log_change_of_reserve, "1", "log-change of albumin with the reserve", where="body"),
        Signal("albumin_change", log_change_of_albumin, "1", "log-change of albumin since entry", where="body"),
        Signal("albumin_reserve", albumin_after, "g/L", "albumin without inflammation", where="body",
               bind={"change": "reserve_change"}),
        Signal("albumin", albumin_after, "g/L", "albumin", where="body", bind={"change": "albumin_change"}),
        Signal("bilirubin", bilirubin_of_reserve, "umol/L", "bilirubin", where="body"),
        Signal("albi", albi_formula, "1", "ALBI score", where="body"),
        Signal("albi_reserve", albi_formula, "1", "ALBI score without inflammation", where="body",
               bind={"albumin": "albumin_reserve"}),
        Signal("child_pugh", child_pugh_of, "1", "Child-Pugh points, smooth", where="body", rest=5.0),
        Signal("child_pugh_change", point_change, "1", "Child-Pugh points gained since entry", where="body",
               pivot=True),
        Signal("decompensation_hazard", decompensate, "1/day", "hazard of first decompensation", where="body"),
        Signal("NLR", ratio, "1", "neutrophil-to-lymphocyte ratio", where="body"),
    ),
    totals=(Total("tumour_volume", volume_in_liver, "mm^3", "volume of all lesions in the liver"),),
    processes=(
        decay("albi_recovery", "albi_transient", recover, "recovery of liver function", where="body"),
        arrival("liver_replacement", "liver_replaced", tumour_replaces_liver, "liver replaced by tumour", where="body"),
        decay("liver_regain", "liver_replaced", recover, "liver regained from tumour", where="body"),
        decay("injury_healing", "injury", heal, "healing of parenchyma", where="body"),
        arrival("IL6_secretion", "IL6", make_IL6, "secretion of IL-6", where="body"),
        decay("IL6_loss", "IL6", lose_IL6, "loss of IL-6", where="body"),
        arrival("neutrophil_release", "neutrophils", make_neutrophils, "release of neutrophils", where="body"),
        decay("neutrophil_loss", "neutrophils", lose_neutrophils, "loss of neutrophils", where="body"),
        arrival("lymphocyte_entry", "lymphocytes", make_lymphocytes, "entry of lymphocytes", where="body"),
        decay("lymphocyte_exit", "lymphocytes", lose_lymphocytes, "exit of lymphocytes", where="body"),
    ),
    modulations=(
        Modulation("injury_on_IL6", "IL6_secretion", injury_raises_IL6, "liver injury -> IL-6", source=TAE_IL6),
        Modulation("IL6_on_neutrophils", "neutrophil_release", inflammation_mobilises_neutrophils,
                   "IL-6 -> neutrophils", source=NLR_TACE),
        Modulation("tumour_on_neutrophils", "neutrophil_release", tumour_mobilises_neutrophils,
                   "tumour burden -> neutrophils", source="PMC6759430"),
        Modulation("IL6_on_lymphocytes", "lymphocyte_exit", inflammation_drives_lymphocytes_out, "IL-6 -> lymphocytes",
                   source=NLR_TACE),
    ),
    references=(
        Reference("liver_replaced_base", "liver_replaced", "1", "share replaced at entry", where="body"),
        Reference("child_pugh_base", "child_pugh", "1", "Child-Pugh points at entry", where="body"),
    ),
    hypotheses=(REPAIR, SIGNS),
)
