"""A rival account of alpha-fetoprotein after embolisation: liver that regrows secretes it too.

Biology.  Regenerating hepatocytes make alpha-fetoprotein.  In acute liver failure its level goes from 8.1 to 17.6
ng/mL between the first and the third day (medians of 206 and 162 patients), 2.2-fold in those who recover (Schiodt
2006); after paracetamol it rises a day after transaminases peak (158 of 201 survivors, DOI 10.1002/hep.20511).  In
cirrhosis without hepatoma it is above 20 ng/mL in 12 % and above 200 in 3 % (732 patients with either,
https://kjim.org/journal/view.php?number=169532), more often where ALT is high
(https://aacrjournals.org/cebp/article/26/7/1085).  A session injures such liver, so a level that does not fall need not
be tumour.

Simplified.  What heals of the injury regenerates, in the same units, and ends as function recovers (`k_recL`), as
`repair` does in the rival `liver.repair`.  Secretion of the liver rises in proportion, whatever it was at entry.

Not included.  Levels at entry follow `afp_background`, which no cohort draws; flares of hepatitis; carriers of a higher
level of their own accord; glycoforms that would tell liver from tumour.

Against it: only where `afp_background` is a good part of the level does any of this show.
"""

from tme_sim.network import Hypothesis, Mechanism, Species, arrival, decay
from tme_sim.quantities import Parameter


def begin_to_regrow(k_injury, injury):
    """Injured parenchyma that heals is replaced by regrowing liver."""
    return k_injury * injury


def end_regrowth(k_recL):
    """Regrowth ends as liver function recovers."""
    return k_recL


def secrete_background_and_regrow(k_AFP, afp_background, afp_per_regrowth, regrowth):
    """Liver keeps up a small level, and makes more of it while it regrows."""
    return k_AFP * afp_background * (1 + afp_per_regrowth * regrowth)


SCHIODT = "https://ohsu.elsevierpure.com/en/publications/alpha-fetoprotein-and-prognosis-in-acute-liver-failure-2"

REGENERATING = Hypothesis(
    "afp.liver", "regenerating", "liver that regrows after a session secretes alpha-fetoprotein",
    f"{SCHIODT} (Schiodt 2006); DOI 10.1002/hep.20511",
    laws={"AFP_background": secrete_background_and_regrow},
    adds=Mechanism(
        "markers", "",
        parameters=(
            Parameter("afp_per_regrowth", 2.5, "1", f"derived: {SCHIODT}: 2.2-fold in two days takes six times the "
                      "secretion at a half-life of five days; all of the liver taken as two units of injury", "low",
                      0.5, 6.0,
                      "relative rise of the liver's AFP secretion per unit of regrowth"),
        ),
        species=(
            Species("regrowth", "1", "liver that regrows, in units of injury", where="body", kind="pool", initial=0.0,
                    scale=0.01),
        ),
        processes=(
            arrival("regrowth_begins", "regrowth", begin_to_regrow, "healing injury is replaced by regrowing liver",
                    where="body"),
            decay("regrowth_ends", "regrowth", end_regrowth, "end of regrowth", where="body"),
        ),
    ),
)  # fmt: skip
