"""Which arrow makes timing matter: how far the arms lie apart with each arrow of the network cut.

The arms run with the network whole and with the gain of one arrow at 0 at a time, on the same members.  What timing is
worth is the gap between the best and the worst arm; an arrow carries the part of it that is gone when it is cut (below
0: the arrow hides a difference).  The untreated growth of a lesion is as drawn with any arrow cut, because the model
solves its baseline anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tme_sim.diagnostics import InputError, Problem
from tme_sim.findings.surface import Band
from tme_sim.findings.table import MOST_LEFT_OUT, Missing, Table, cube, sense_of

__all__ = ["WHOLE", "Knockout", "Knockouts", "knockouts_of"]

WHOLE = "none"  # the name of the network with nothing cut


@dataclass(frozen=True)
class Knockout:
    """The arms with one arrow cut: `gap` between best and worst, over members; `carried` is the part of the whole
    gap that is gone (1: without this arrow timing does not matter), over members; `best` and `worst` by the mean.
    `members` have a value in every arm, with the arrow and without.
    """

    arrow: str
    gap: Band
    carried: Band
    best: str
    worst: str
    means: tuple[float, ...]
    members: int


@dataclass(frozen=True)
class Knockouts:
    """All of them, the arrow that carries most first; `whole` is the network with nothing cut.

    `impossible` are arrows without which too many members cannot live before treatment, or whose runs failed.
    """

    outcome: str
    sense: int
    arms: tuple[str, ...]
    whole: Knockout
    cut: tuple[Knockout, ...]
    impossible: tuple[str, ...]
    missing: Missing


def knockouts_of(
    table: Table, outcome: str, *, arrow: str = "arrow", arm: str = "arm", member: Sequence[str] = ("replicate",),
    better: str | None = None,
) -> Knockouts:
    """Read a table whose column `arrow` names what is cut ("none": nothing) and whose column `arm` names the protocol.

    The gap of a member is between the arms that are best and worst for the mean with nothing cut, so that it may change
    its sign.

    Raises:
        InputError: no rows of the whole network, fewer than two arms, too many runs of it that failed.
    """
    sense = sense_of(outcome, better)
    found = cube(table, outcome, (arrow, arm), member, whole_only=False)
    arms = tuple(dict.fromkeys(c[1] for c in found.cells))
    names = tuple(dict.fromkeys(c[0] for c in found.cells))
    if WHOLE not in names:
        raise InputError(Problem("study", arrow, f'no run has "{WHOLE}"; the whole network is needed to compare with'))
    if len(arms) < 2 or len(found.cells) != len(arms) * len(names):
        raise InputError(Problem("study", arm, "at least two arms are needed, each with every arrow"))
    values = sense * found.values.reshape(len(found.members), len(names), len(arms))
    at = names.index(WHOLE)
    ready = np.isfinite(values).all(axis=2)  # [member, arrow]
    least = (1.0 - MOST_LEFT_OUT) * len(values)
    if ready[:, at].sum() < least:
        raise InputError(Problem("study", outcome, f"{found.missing.text}; too few patients are whole to compare"))
    mean = values[ready[:, at], at].mean(axis=0)
    top, low = int(np.argmax(mean)), int(np.argmin(mean))
    floor = 1e-12 * max(1.0, float(np.nanmax(np.abs(values))))
    if mean[top] - mean[low] <= floor:
        raise InputError(Problem("study", outcome, "the arms do not differ at all; timing does not matter here"))
    out = {}
    for k, name in enumerate(names):
        both = ready[:, at] & ready[:, k]
        if both.sum() < least:
            continue
        gaps, whole = (values[both, i, top] - values[both, i, low] for i in (k, at))
        carried = (1.0 - gaps / np.where(np.abs(whole) > floor, whole, np.nan))[np.abs(whole) > floor]
        mean = values[both, k].mean(axis=0)
        out[name] = Knockout(name, Band.of(gaps), Band.of(carried), arms[int(mean.argmax())], arms[int(mean.argmin())],
                             tuple(float(sense * m) for m in mean), int(both.sum()))  # fmt: skip
    cut = sorted((one for n, one in out.items() if n != WHOLE), key=lambda one: -abs(one.carried.median))
    impossible = tuple(n for n in names if n not in out)
    return Knockouts(outcome, sense, arms, out[WHOLE], tuple(cut), impossible, found.missing)
