"""Phases resolved: fixed dates where they are known, and for the rest what the run waits for."""

from __future__ import annotations

from collections.abc import Mapping

from tme_sim.diagnostics import quoted
from tme_sim.protocol.calendar import Stretch
from tme_sim.protocol.dates import END, TICKS_PER_DAY, When
from tme_sim.protocol.dating import Dates, Dating, Refused


def stretches(dating: Dating, resolved: Mapping[int, Dates]) -> list[Stretch]:
    """The phases of a protocol; notes those that overlap or cannot be reached."""
    made: dict[int, Stretch] = {}
    for number in range(len(dating.phases)):
        try:
            _stretch(dating, resolved, number, made, [])
        except Refused:
            continue
    _overlaps(dating, made)
    return [made.get(i) or Stretch(p.name, None) for i, p in enumerate(dating.phases)]


def _stretch(dating: Dating, resolved, number: int, made: dict[int, Stretch], path: list[int]) -> Stretch:
    if number in made:
        return made[number]
    phase, key = dating.phases[number], dating.phase_keys[number]
    if number in path:
        dating.problems.add(
            (*key, "follows"), f"{quoted(phase.name)} follows itself; give one of the phases a fixed start"
        )
        raise Refused
    if not dating.by_rule(number):
        start = dating.phase_start(number)
        end = dating.phase_end(number) if phase.end is not None else None
        if end is not None and end <= start:
            dating.problems.add(
                (*key, "end"), f"{quoted(phase.end)} is day {end / TICKS_PER_DAY:g}, not after its start on day "
                f"{start / TICKS_PER_DAY:g}; move one of the two"
            )  # fmt: skip
            raise Refused
        length = None if end is None else end - start
        made[number] = Stretch(
            phase.name, start, -1, length, phase.until or (), nominal=start, new_baseline=phase.new_baseline,
            ends_all=bool(phase.ends_all),
        )  # fmt: skip
        return made[number]
    follows = dating.phase_number(phase.follows, (*key, "follows"))
    before = _stretch(dating, resolved, follows, made, [*path, number])
    length = dating.tick(phase.end, (*key, "end"), number) if phase.end is not None else None
    if length is not None and length <= 0:
        dating.problems.add((*key, "end"), f"{quoted(phase.end)} is not after its start; move it")
        raise Refused
    if before.length is None and not before.ends:
        dating.never_ends(follows, number)
    planned = _planned_end(dating, resolved, before)
    wait = _wait(dating, resolved, phase.start, number, before)
    if wait.get("tick") is not None:
        planned = max(planned, wait["tick"])
    nominal = max(planned, wait.pop("nominal", 0))
    made[number] = Stretch(
        phase.name, None, follows, length, phase.until or (), nominal=nominal, new_baseline=phase.new_baseline, **wait
    )
    return made[number]


def _planned_end(dating: Dating, resolved, before: Stretch) -> int:
    """Tick at which a phase ends if no visit ends it: its own date, or without one the first look after its start."""
    if before.length is not None:
        return before.nominal + before.length
    looks = sorted(t for i, d in resolved.items() if dating.items[i].kind in ("scan", "visit") for t in d.ticks)
    return next((t for t in looks if t > before.nominal), before.nominal)


def _wait(dating: Dating, resolved, start: When | None, number: int, before: Stretch) -> dict:
    """What a phase waits for besides the end of the one before."""
    key = (*dating.phase_keys[number], "start")
    if start is None:
        return {}
    if not start.phase and not start.which:
        return {"tick": start.offset}
    if start.phase:
        target = dating.phase_number(start.anchor, key)
        if target == number:
            dating.problems.add(key, f"{quoted(start.text)} waits for itself")
            raise Refused
        if target != dating.phase_number(dating.phases[number].follows, key):
            dating.problems.add(key, f"{quoted(start.text)}: only the phase that it follows can be named here")
            raise Refused
        return {"anchor": "end" if start.which == END else "start", "anchored": target, "offset": start.offset}
    meant = dating.meant(start.anchor, key)
    ruled = [i for i in meant if i in dating.ruled]
    if not ruled:
        return {"tick": dating.tick(start, key)}
    if len(meant) > 1 or start.which not in (1, -1):
        dating.problems.add(
            key, f"{quoted(start.text)}: only the first or last of one treatment that rules change can be waited for"
        )
        raise Refused
    order = sorted(i for i in resolved if i in dating.ruled)
    if meant[0] not in order:
        raise Refused
    nominal = resolved[meant[0]].ticks[0] + start.offset if resolved[meant[0]].base < 0 else 0
    anchor = "first" if start.which == 1 else "last"
    return {"anchor": anchor, "anchored": order.index(meant[0]), "offset": start.offset, "nominal": nominal}


def _overlaps(dating: Dating, made: Mapping[int, Stretch]) -> None:
    """Two phases with fixed dates that overlap, or two that follow the same one."""
    beside = {i for i in made if made[_root(made, i)].ends_all}
    fixed = sorted((s.start, i) for i, s in made.items() if s.start is not None and i not in beside)
    for (start, a), (after, b) in zip(fixed, fixed[1:], strict=False):
        length = made[a].length
        if length is None or start + length > after:
            until = "has no end date" if length is None else f"ends on day {(start + length) / TICKS_PER_DAY:g}"
            dating.problems.add(
                dating.phase_keys[b],
                f"{quoted(made[b].name)} starts on day {after / TICKS_PER_DAY:g}, but {quoted(made[a].name)} "
                f'{until}: two phases overlap; write follows = "{made[a].name}", or end that one before'
            )  # fmt: skip
    for i, stretch in made.items():
        if stretch.start is not None or i in beside:
            continue
        end, root = _latest_end(made, i), _root(made, i)
        later = [b for start, b in fixed if start > made[root].start and (end is None or start < end)]
        for b in later[:1]:
            until = "has no end date" if end is None else f"may last until day {end / TICKS_PER_DAY:g}"
            dating.problems.add(
                dating.phase_keys[b],
                f"{quoted(made[b].name)} starts on day {made[b].start / TICKS_PER_DAY:g}, but {quoted(stretch.name)} "
                f'{until}: two phases overlap; write follows = "{stretch.name}", or end that one before'
            )  # fmt: skip
    taken: dict[int, int] = {}
    for i, stretch in made.items():
        if stretch.follows >= 0 and stretch.follows in taken:
            other = made[taken[stretch.follows]].name
            dating.problems.add(
                (*dating.phase_keys[i], "follows"), f"{quoted(stretch.name)} and {quoted(other)} both follow "
                f"{quoted(made[stretch.follows].name)}, so they overlap; let one follow the other, or join them"
            )  # fmt: skip
        taken[stretch.follows] = i


def _root(made: Mapping[int, Stretch], number: int) -> int:
    """The phase with a fixed start that a phase follows, at however many removes; itself if it has one."""
    while made[number].start is None:
        number = made[number].follows
    return number


def _latest_end(made: Mapping[int, Stretch], number: int) -> int | None:
    """Tick by which a phase is over whatever visits see; None if only a visit ends it or one before it."""
    phase = made[number]
    begin = phase.start if phase.start is not None else _latest_end(made, phase.follows)
    if begin is None or phase.length is None:
        return None
    return max(begin + max(phase.offset, 0), phase.tick or begin) + phase.length
