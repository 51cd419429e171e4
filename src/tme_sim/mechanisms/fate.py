"""What happens to the patient in the end: invasion of the portal vein and death, as hazards that add up.

Biology.  The larger a hepatoma has grown, the more often it has broken into the portal vein; a capsule holds it back.
Patients die of tumour that replaces liver, of the failing cirrhotic liver itself, and of other causes; invasion of the
portal vein shortens survival several-fold.

Simplified.  Both are cumulative hazards, so a run keeps one course for every patient it stands for: invasion has
happened with probability 1 - exp(-H), survival is exp(-H).  An event is read from them where one is needed: in a
single run the median (H = ln 2), in a cohort a draw of the patient's own.  Hazards follow what is alive of the tumour,
so treatment lowers them at once.  The course itself does not change at an event drawn.  Invasion at entry takes a
share of every embolisation; invasion later ends TACE only where a protocol says so.

Not included.  Grades of portal invasion (Vp1-4), the greater harm of embolisation to a liver without portal flow,
variceal bleeding, infection, toxicity, death from a procedure.
"""

from tme_sim.laws import exp, power
from tme_sim.network import Mechanism, Signal, Species, Total, arrival
from tme_sim.quantities import Parameter

# --- laws -------------------------------------------------------------------------------------------------------------


def size_of(viable_cells, rho_cell, volume_floor, fate_volume):
    """Viable volume over that of the reference lesion."""
    return (viable_cells / rho_cell + volume_floor) / fate_volume


def invade(invasion_at_size, invasion_size, fate_size, growth_rate, extrahepatic, capsule, capsule_guard):
    """Hazard of a liver lesion to invade the portal vein while it grows.

    The share of tumours with invasion rises with their diameter, 13.7 % below 5 cm and 56.4 % above 10 cm (DOI
    10.1155/2018/3120185): a cumulative hazard `h * size**n` of their volume, whose rate of change is this law.
    """
    grown = invasion_at_size * power(fate_size, invasion_size) * invasion_size * growth_rate
    return grown * (1 - extrahepatic) * (1 - capsule_guard * capsule)


def add_up(rate):
    """A hazard adds up."""
    return rate


def has_invaded(portal_invasion, invasion_hazard):
    """Probability that the portal vein is invaded: at entry, or since."""
    return 1 - (1 - portal_invasion) * exp(-invasion_hazard)


def weigh(fate_size, death_size):
    """Weight of a lesion for survival."""
    return power(fate_size, death_size)


def die_of_tumour(death_tumour, death_weight, invaded, invasion_death):
    """Hazard of death from tumour, several-fold after invasion of the portal vein."""
    return death_tumour * death_weight * (1 + (invasion_death - 1) * invaded)


def die_of_liver(death_liver, death_liver_most, death_slope, albi_reserve, fate_albi):
    """Hazard of death from liver failure, log-linear in ALBI up to a largest value (logistic)."""
    return death_liver_most / (1 + death_liver_most / death_liver * exp(-(death_slope * (albi_reserve - fate_albi))))


def die(death_of_tumour, death_of_liver, death_other):
    """Hazard of death from any cause."""
    return death_of_tumour + death_of_liver + death_other


PREVALENCE = "derived from prevalence by diameter, DOI 10.1155/2018/3120185"
CIRRHOSIS = "derived: stages of cirrhosis die at 1, 3, 20, 57 % per year (DOI 10.1016/j.jhep.2005.10.013, from memory)"

MECHANISM = Mechanism(
    name="fate",
    text=__doc__,
    parameters=(
        Parameter("fate_volume", 65.45, "mL", "a sphere of 50 mm, by construction", "high", 65.45, 65.45, ""),
        Parameter("portal_invasion", 0.0, "1", "of the patient", "high", 0.0, 1.0,
                  "1: macroscopic invasion of the portal vein at entry"),
        Parameter("invasion_at_size", 0.24, "1", f"{PREVALENCE}; 3.5 and 12 cm taken as the middle of the two groups",
                  "low", 0.1, 0.5, "cumulative hazard of portal vein invasion of a lesion of 50 mm"),
        Parameter("invasion_size", 0.47, "1", f"{PREVALENCE}; the middles of the groups are ours", "low", 0.3, 0.7,
                  "power of the volume"),
        Parameter("invasion_shunt", 0.3, "1",
                  "effect: 33 of 54 patients with a thrombus in the portal vein have an arterioportal shunt (Cancer "
                  "Res Treat 47(2), synapse.koreamed.org/articles/1153170); what it takes of a session is not known",
                  "assumed", 0.0, 0.8, "share of an embolisation that is lost if the portal vein is invaded at entry",
                  maximum=1.0),
        Parameter("capsule_guard", 0.5, "1",
                  "derived: odds of microvascular invasion without a complete capsule 1.97 (1.01 to 3.86) times those "
                  "with one, 8 studies of 1349 patients (DOI 10.1007/s00261-019-02126-9), so 0.49 (0.01 to 0.74); odds "
                  "of microscopic invasion stand for the hazard of visible", "low", 0.0, 0.9,
                  "share of the hazard that a complete capsule takes away", maximum=1.0),
        Parameter("death_tumour", 1.1e-4, "1/day",
                  "derived: untreated, 7 cm with a good liver then live a median of about 15 months; 63 % at one "
                  "year and 27 % at two of 35 controls in a trial of embolisation (PMID 12049862)", "low", 4e-5, 4e-4,
                  "hazard of death from a viable lesion of 50 mm; other untreated patients of intermediate stage: 80 "
                  "and 65 % (n = 48, DOI 10.1002/hep.510290145), median 10 months (Giannini, ITA.LI.CA group)"),
        Parameter("death_size", 1.0, "1", "no source found; so that litres of tumour kill within weeks",
                  "assumed", 0.5, 1.2, "power of the volume"),
        Parameter("invasion_death", 3.0, "1", "median survival 5 months from first invasion against 32.5 without "
                  "(PMC8259264); size and liver explain a part", "low", 1.5, 6.5,
                  "factor of the hazard after portal vein invasion"),
        Parameter("death_liver", 1e-4, "1/day", CIRRHOSIS, "low", 3e-5, 3e-4,
                  "hazard of death from the liver at ALBI -2.6"),
        Parameter("death_slope", 2.0, "1", f"{CIRRHOSIS}; mid-grade ALBI -2.9 and -1.1 ours", "low", 1.0, 2.6,
                  "log-hazard per ALBI"),
        Parameter("death_liver_most", 0.03, "1/day", "acute-on-chronic liver failure: 33 % of 235 dead in a month "
                  "(DOI 10.37184/jlnh.2959-1805.1.8), so 0.013 a day; 74 % of 249 in hospital (DOI "
                  "10.1186/s43066-022-00183-2); HCC is rare among them", "low", 0.01, 0.1,
                  "largest hazard of death from the liver"),
        Parameter("fate_albi", -2.6, "1", "first grade cut, DOI 10.1200/JCO.2014.57.9151", "high", -2.6, -2.6, ""),
        Parameter("death_other", 5e-5, "1/day", "US life table: in a year 1.23 % of men die at 60 and 2.89 % at 70, "
                  "0.77 and 1.89 % of women (Social Security, as shown at www.sophia.org/tutorials/"
                  "the-following-table-is-from-the-social-security-actuarial-tables); 1.8 % here; patients with a "
                  "liver disease have more", "medium", 1e-5, 1.5e-4, "hazard of death from other causes"),
    ),
    species=(
        Species("invasion_hazard", "1", "cumulative hazard of portal vein invasion", where="body", kind="pool",
                initial=0.0, scale=0.01),
        Species("death_hazard", "1", "cumulative hazard of death", where="body", kind="pool", initial=0.0, scale=0.01),
    ),
    signals=(
        Signal("fate_size", size_of, "1", "viable volume over that of a sphere of 50 mm"),
        Signal("invaded", has_invaded, "1", "probability of portal vein invasion", where="body"),
        Signal("death_of_tumour", die_of_tumour, "1/day", "hazard of death from tumour", where="body"),
        Signal("death_of_liver", die_of_liver, "1/day", "hazard of death from the liver", where="body"),
        Signal("death_rate", die, "1/day", "hazard of death", where="body"),
    ),
    totals=(
        Total("invasion_rate", invade, "1/day", "hazard of portal vein invasion"),
        Total("death_weight", weigh, "1", "weight of all lesions for survival"),
    ),
    processes=(
        arrival("invasion_adds", "invasion_hazard", add_up, "hazard of portal vein invasion adds up", where="body",
                bind={"rate": "invasion_rate"}),
        arrival("death_adds", "death_hazard", add_up, "hazard of death adds up", where="body",
                bind={"rate": "death_rate"}),
    ),
)
