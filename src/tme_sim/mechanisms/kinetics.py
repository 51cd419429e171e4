"""Drug kinetics: six generic slots (trap, tki, pd1, ctla4, chemo, chemo2) that share one set of laws.

Biology.  A drug enters plasma by infusion, or a gut depot that empties by first order; it spreads into up to two
peripheral compartments and leaves by linear clearance and, for some antibodies, by a saturable way besides.
Clearance of checkpoint antibodies falls over months of treatment, that of some oral drugs rises; both follow the
published form `CL * exp(Emax * t^h / (T50^h + t^h))`.  A failing liver changes clearance: low albumin goes with fast
loss of antibodies (shared protein catabolism), a worse Child-Pugh class with slow loss of oral inhibitors.  A drug
infused into the hepatic artery meets the tumour before it is diluted, and part of it never reaches the circulation.

Simplified.  The time of the time-varying clearance runs while a patient is on the drug, so a pause holds it.  A slot
has at most three compartments; transit chains and enterohepatic recycling are lumped by the drug's library entry.
Receptor engagement is `C / (C + EC50)` of the plasma concentration.  The quadratic binding equation would matter only
if receptors took up a sizeable part of the antibody; standard doses exceed the half-value a hundredfold, so
engagement saturates either way and exposure of the tumour, not dose, limits the effect.  Effects of albumin and
Child-Pugh class at entry are part of the slot's values; what follows is their change since.  Regional gain is taken
as at steady state.

Not included.  Anti-drug antibodies, target-mediated disposition beyond the saturable term, metabolites, drug
interactions, uptake of checkpoint antibodies into tumour, weight change, food.
"""

from tme_sim.laws import exp, hill, inhibit, saturate
from tme_sim.network import Held, Mechanism, Modulation, Signal, Species, arrival, decay, exchange, transition
from tme_sim.quantities import Parameter

SLOTS = {
    "trap": "anti-VEGF antibody",
    "tki": "kinase inhibitor",
    "pd1": "PD-1 or PD-L1 antibody",
    "ctla4": "CTLA-4 antibody",
    "chemo": "cytotoxic drug",
    "chemo2": "second cytotoxic drug",
}
CYTOTOXIC = {slot: words for slot, words in SLOTS.items() if slot.startswith("chemo")}
EMPTY = "value of an empty slot, by construction; a drug of the library replaces it"


# --- laws, written once for all slots -------------------------------------------------------------------------------


def infuse(infusion):
    """Infusion into plasma; a bolus is a jump instead."""
    return infusion


def release_into_gut(intake):
    """Drug that reaches the gut depot at a constant rate: slow release of a tablet, or daily dosing averaged."""
    return intake


def absorb(ka):
    """First-order absorption from the gut depot."""
    return ka


def clear(CL, V1, clock, CL_Emax, CL_T50, CL_hill):
    """Linear elimination with clearance that drifts with time on treatment.

    Published for nivolumab (DOI 10.1002/psp4.12476) and durvalumab (DOI 10.1007/s00280-024-04743-8).
    """
    # 1 - inhibit(...) is hill(...) with one power instead of two; this law is evaluated for every slot in every step.
    return CL / V1 * exp(CL_Emax * (1 - inhibit(clock, CL_T50, CL_hill)))


def clear_saturably(central, V1, Vmax, Km):
    """Michaelis-Menten elimination, `Vmax / (Km + C) / V1` (camrelizumab, DOI 10.1038/s41401-020-00550-y)."""
    return Vmax / (Km * V1 + central)


def spread(central, outer, Q, V1, V_outer):
    """Passive exchange between plasma and an outer compartment, driven by the difference in concentration."""
    return Q * (central / V1 - outer / V_outer)


def run_clock(on):
    """Days on treatment: runs while the slot is switched on."""
    return on


def concentration(central, V1):
    """Plasma concentration."""
    return central / V1


def liver_changes_clearance(CL_albumin, albumin_change, CL_child_pugh, child_pugh_change):
    """Change of clearance since entry with albumin (power law, so linear in its logarithm) and Child-Pugh points.

    Exponents -0.47 to -1.1 for antibodies (DOI 10.1007/s00280-016-3079-6, 10.1002/psp4.12139); lenvatinib clears at
    0.87 from class A to B (J Clin Pharmacol 2022;62:1507), spread evenly over the points between the classes.  The
    exponential is written as its [2/2] Pade fraction: within 0.2 % up to a change by a factor e, and never negative.
    """
    x = CL_albumin * albumin_change + CL_child_pugh * child_pugh_change
    return (1 + x / 2 + x * x / 12) / (1 - x / 2 + x * x / 12)


# --- laws of single slots -------------------------------------------------------------------------------------------


def molar(plasma, molar_mass):
    """Molar plasma concentration."""
    return plasma / molar_mass


def free_molar(plasma, molar_mass, free_share):
    """Molar concentration that is not bound to plasma protein."""
    return plasma * free_share / molar_mass


def occupy(free, IC50):
    """Share of VEGF receptors that a kinase inhibitor blocks at its free concentration."""
    return saturate(free, IC50)


def act_on_tumour(free, direct_max, direct_IC50):
    """Share of division stopped by direct action on tumour cells (corrections: inhibitors act beyond vessels)."""
    return direct_max * saturate(free, direct_IC50)


def engage(plasma, EC50, engaged_max):
    """Share of checkpoint receptors engaged at the plasma concentration (whole-blood EC50, DOI 10.1002/psp4.12132)."""
    return engaged_max * saturate(plasma, EC50)


def infuse_artery(arterial, extraction):
    """Hepatic arterial infusion: what the liver does not extract on first pass reaches the circulation."""
    return (1 - extraction) * arterial


def regional(plasma, arterial, CL, extraction, regional_gain):
    """Concentration in liver tumours: plasma, plus the excess while a drug is infused into the hepatic artery.

    At steady state a venous infusion R keeps up R/CL; the same infusion into the artery keeps up `regional_gain` times
    that in the liver, of which `(1 - extraction) * R/CL` is plasma (dog, fluorouracil:
    https://pesquisa.bvsalud.org/portal/resource/en/mdl-2747244).
    """
    return plasma + arterial * (regional_gain - 1 + extraction) / CL


def kill_by_drug(tumour, kill_max, kill_IC50, kill_hill):
    """Hazard of death of sensitive cells at the molar concentration in tumour."""
    return kill_max * hill(tumour, kill_IC50, kill_hill)


# --- one slot -------------------------------------------------------------------------------------------------------


def _slot_parameters(s: str, words: str) -> tuple[Parameter, ...]:
    def empty(name, value, unit, note, low=None, high=None):
        return Parameter(name=f"{s}_{name}", value=value, unit=unit, source=EMPTY, grade="high", low=low, high=high,
                         note=f"{words}: {note}")

    return (
        empty("CL", 1.0, "L/day", "linear clearance", 0.0, 1e5),
        empty("V1", 5.0, "L", "central volume", 0.1, 1e5),
        empty("Q", 0.0, "L/day", "exchange with the first outer compartment", 0.0, 1e5),
        empty("V2", 5.0, "L", "first outer volume", 0.1, 1e5),
        empty("Q2", 0.0, "L/day", "exchange with the second outer compartment", 0.0, 1e5),
        empty("V3", 5.0, "L", "second outer volume", 0.1, 1e5),
        empty("ka", 1.0, "1/day", "absorption from the gut depot", 0.01, 1e3),
        empty("Vmax", 0.0, "mg/day", "capacity of saturable elimination", 0.0, 1e3),
        empty("Km", 1.0, "mg/L", "half-value of saturable elimination", 1e-3, 1e3),
        empty("CL_Emax", 0.0, "1", "log-change of clearance after long treatment", -2.0, 2.0),
        empty("CL_T50", 60.0, "day", "time to half of that change", 0.1, 1e3),
        empty("CL_hill", 1.0, "1", "steepness of that change", 0.5, 15.0),
        empty("CL_albumin", 0.0, "1", "exponent of clearance on albumin", -2.0, 2.0),
        empty("CL_child_pugh", 0.0, "1", "log-change of clearance per Child-Pugh point", -1.0, 1.0),
    )


def _slot_species(s: str, words: str) -> tuple[Species, ...]:
    def amount(part, label):
        return Species(f"{s}_{part}", "mg", f"{words} {label}", where="body", kind="pool", initial=0.0, scale=0.01)

    return (
        amount("depot", "in the gut"),
        amount("central", "in plasma"),
        amount("peripheral", "in the first outer compartment"),
        amount("deep", "in the second outer compartment"),
        Species(f"{s}_clock", "day", f"time on {words}", where="body", kind="pool", initial=0.0, scale=0.1),
    )


def _slot_held(s: str, words: str) -> tuple[Held, ...]:
    return (
        Held(f"{s}_infusion", "mg/day", f"infusion of {words} into plasma"),
        Held(f"{s}_intake", "mg/day", f"release of {words} into the gut"),
        Held(f"{s}_on", "1", f"on {words} (1) or not (0)"),
    )


def _slot_processes(s: str, words: str) -> tuple:
    own = {name: f"{s}_{name}" for name in (
        "infusion", "intake", "on", "clock", "central", "CL", "V1", "ka", "Vmax", "Km", "CL_Emax", "CL_T50", "CL_hill")}
    first = own | {"outer": f"{s}_peripheral", "Q": f"{s}_Q", "V_outer": f"{s}_V2"}
    second = own | {"outer": f"{s}_deep", "Q": f"{s}_Q2", "V_outer": f"{s}_V3"}
    return (
        arrival(f"{s}_infused", f"{s}_central", infuse, f"infusion of {words}", where="body", bind=own),
        arrival(f"{s}_released", f"{s}_depot", release_into_gut, f"release of {words} in the gut", where="body",
                bind=own),
        transition(f"{s}_absorbed", f"{s}_depot", f"{s}_central", absorb, f"absorption of {words}", where="body",
                   bind=own),
        decay(f"{s}_elimination", f"{s}_central", clear, f"clearance of {words}", where="body", bind=own),
        decay(f"{s}_saturable_elimination", f"{s}_central", clear_saturably, f"saturable clearance of {words}",
              where="body", bind=own),
        exchange(f"{s}_spreading", f"{s}_central", f"{s}_peripheral", spread, f"{words} into tissue", where="body",
                 bind=first),
        exchange(f"{s}_deep_spreading", f"{s}_central", f"{s}_deep", spread, f"{words} into deep tissue", where="body",
                 bind=second),
        arrival(f"{s}_clock_runs", f"{s}_clock", run_clock, f"time on {words}", where="body", bind=own),
    )


def _slot_signal(s: str, words: str) -> Signal:
    return Signal(f"{s}_plasma", concentration, "mg/L", f"{words} in plasma", where="body",
                  bind={"central": f"{s}_central", "V1": f"{s}_V1"})


def _slot_arrow(s: str, words: str) -> Modulation:
    return Modulation(f"liver_on_{s}_clearance", f"{s}_elimination", liver_changes_clearance,
                      f"albumin and Child-Pugh class -> clearance of {words}",
                      bind={"CL_albumin": f"{s}_CL_albumin", "CL_child_pugh": f"{s}_CL_child_pugh"})


def _each(make) -> tuple:
    return tuple(item for s, words in SLOTS.items() for item in make(s, words))


def _effect(name, value, unit, note, low=None, high=None) -> Parameter:
    return Parameter(name=name, value=value, unit=unit, source=EMPTY, grade="high", low=low, high=high, note=note)


def _cytotoxic_parameters(s: str, words: str) -> tuple[Parameter, ...]:
    return (
        _effect(f"{s}_molar_mass", 130.0, "g/mol", f"{words}: molar mass of what is measured in plasma", 50.0, 1e3),
        _effect(f"{s}_extraction", 0.0, "1", f"{words}: share of an arterial dose that the liver takes up", 0.0, 1.0),
        _effect(f"{s}_regional_gain", 1.0, "1", f"{words}: liver exposure, artery against vein", 1.0, 20.0),
        _effect(f"{s}_kill_max", 0.0, "1/day", f"{words}: largest hazard of death", 0.0, 5.0),
        _effect(f"{s}_kill_IC50", 1.0, "umol/L", f"{words}: concentration for half of that", 1e-3, 1e3),
        _effect(f"{s}_kill_hill", 1.0, "1", f"{words}: steepness", 0.5, 4.0),
    )


def _cytotoxic_signals(s: str, words: str) -> tuple[Signal, ...]:
    return (
        Signal(f"{s}_regional", regional, "mg/L", f"{words} in liver tumours", where="body",
               bind={"plasma": f"{s}_plasma", "arterial": f"{s}_arterial", "CL": f"{s}_CL",
                     "extraction": f"{s}_extraction", "regional_gain": f"{s}_regional_gain"}),
        Signal(f"{s}_tumour", molar, "umol/L", f"{words} in liver tumours, molar", where="body",
               bind={"plasma": f"{s}_regional", "molar_mass": f"{s}_molar_mass"}),
        Signal(f"{s}_kill", kill_by_drug, "1/day", f"hazard of death of sensitive cells by {words}", where="body",
               bind={"tumour": f"{s}_tumour", "kill_max": f"{s}_kill_max", "kill_IC50": f"{s}_kill_IC50",
                     "kill_hill": f"{s}_kill_hill"}),
    )


MECHANISM = Mechanism(
    name="kinetics",
    text=__doc__,
    parameters=(
        *_each(_slot_parameters),
        _effect("trap_molar_mass", 149.0, "kg/mol", "anti-VEGF antibody: molar mass", 40.0, 160.0),
        _effect("tki_molar_mass", 400.0, "g/mol", "kinase inhibitor: molar mass", 200.0, 1000.0),
        _effect("tki_free_share", 0.01, "1", "kinase inhibitor: share not bound in plasma", 0.0, 1.0),
        _effect("tki_IC50", 10.0, "nmol/L", "kinase inhibitor: free concentration that blocks half of VEGF signalling",
                0.1, 1e4),
        _effect("tki_direct_max", 0.0, "1", "kinase inhibitor: largest share of division stopped in tumour cells", 0.0,
                1.0),
        _effect("tki_direct_IC50", 100.0, "nmol/L", "kinase inhibitor: free concentration for half of that", 1.0, 1e5),
        _effect("pd1_EC50", 0.5, "mg/L", "PD-1 or PD-L1 antibody: plasma concentration that engages half", 1e-4, 10.0),
        _effect("pd1_engaged_max", 1.0, "1", "PD-1 or PD-L1 antibody: engagement at saturation", 0.0, 1.0),
        _effect("ctla4_EC50", 0.5, "mg/L", "CTLA-4 antibody: plasma concentration that engages half", 1e-4, 10.0),
        _effect("ctla4_engaged_max", 1.0, "1", "CTLA-4 antibody: engagement at saturation", 0.0, 1.0),
        *(item for slot, words in CYTOTOXIC.items() for item in _cytotoxic_parameters(slot, words)),
    ),
    species=_each(_slot_species),
    held=(
        *_each(_slot_held),
        *(Held(f"{slot}_arterial", "mg/day", f"infusion of {words} into the hepatic artery")
          for slot, words in CYTOTOXIC.items()),
    ),
    signals=(
        *(_slot_signal(s, words) for s, words in SLOTS.items()),
        Signal("trap_molar", molar, "nmol/L", "anti-VEGF antibody in plasma", where="body",
               bind={"plasma": "trap_plasma", "molar_mass": "trap_molar_mass"}),
        Signal("tki_free", free_molar, "nmol/L", "free kinase inhibitor in plasma", where="body",
               bind={"plasma": "tki_plasma", "molar_mass": "tki_molar_mass", "free_share": "tki_free_share"}),
        Signal("tki_vegfr_blocked", occupy, "1", "share of VEGF receptors blocked", where="body",
               bind={"free": "tki_free", "IC50": "tki_IC50"}),
        Signal("tki_antitumour", act_on_tumour, "1", "share of division stopped by direct action", where="body",
               bind={"free": "tki_free", "direct_max": "tki_direct_max", "direct_IC50": "tki_direct_IC50"}),
        Signal("pd1_engaged", engage, "1", "share of PD-1 or PD-L1 engaged", where="body",
               bind={"plasma": "pd1_plasma", "EC50": "pd1_EC50", "engaged_max": "pd1_engaged_max"}),
        Signal("ctla4_engaged", engage, "1", "share of CTLA-4 engaged", where="body",
               bind={"plasma": "ctla4_plasma", "EC50": "ctla4_EC50", "engaged_max": "ctla4_engaged_max"}),
        *(item for slot, words in CYTOTOXIC.items() for item in _cytotoxic_signals(slot, words)),
    ),
    processes=(
        *_each(_slot_processes),
        *(arrival(f"{slot}_infused_by_artery", f"{slot}_central", infuse_artery,
                  f"arterial infusion of {words} reaching the circulation", where="body",
                  bind={"arterial": f"{slot}_arterial", "extraction": f"{slot}_extraction"})
          for slot, words in CYTOTOXIC.items()),
    ),
    modulations=tuple(_slot_arrow(s, words) for s, words in SLOTS.items()),
)
