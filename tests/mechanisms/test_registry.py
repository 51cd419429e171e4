"""What holds for every declared mechanism."""

import math

from tme_sim.mechanisms.registry import all_mechanisms

# dimensionless, small, and no share of a whole: widths, half-effect levels, powers, coefficients and hazards
NO_SHARES = {"anoxic_width", "signal_width", "basal_maturation", "K_adapt", "invasion_size", "invasion_at_size",
             "albi_weight_bilirubin", "albi_reference", "albi_session", "albumin_inflamed", "fate_albi",
             "reach_margin_lobar", "ascites_albi", "ascites_width", "cp_inr_width", "inr_per_albi"}  # fmt: skip


def test_no_share_can_exceed_the_whole():
    """A share above 1 turns a rate negative far from its cause: macrophages below nothing, days later."""
    mechanisms = all_mechanisms()
    added = [h.adds for m in mechanisms for h in m.hypotheses if h.adds is not None]
    declared = [p for m in (*mechanisms, *added) for p in (*m.parameters, *m.lesion_parameters)]
    small = {p.name for p in declared if p.unit == "1" and p.high <= 1}
    unbounded = {p.name for p in declared if p.name in small and p.physical[1] == math.inf}
    assert unbounded == NO_SHARES
