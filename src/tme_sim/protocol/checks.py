"""Rules that cannot work: refused, or told as a warning, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tme_sim.diagnostics import Key, quoted
from tme_sim.protocol.calendar import Stretch
from tme_sim.protocol.conditions import Condition
from tme_sim.protocol.dates import TICKS_PER_DAY, to_ticks
from tme_sim.protocol.dating import Dating, Refused
from tme_sim.protocol.tables import DrugTreatment, Given, Procedure, Tace
from tme_sim.thresholds import JUDGED_DAYS

REPAIRS = {
    "scan": 'give scans: [[scan]] with start = "day 0" and every = "8 weeks"',
    "blood": "give a [[scan]], or a [[visit]] that takes blood",
}
FOLLOWED = 12  # sessions on demand without a maximum that are thought through


def check_rules(dating: Dating, phases: Sequence[Stretch], warnings: list[str]) -> None:
    """Check every condition of a protocol; notes mistakes in the problems of `dating`."""
    for place, condition, key in _conditions(dating):
        _seen(dating, place, condition, key, warnings)
        _reachable(dating, condition, key)
    for number, (item, key) in enumerate(zip(dating.items, dating.keys, strict=True)):
        if isinstance(item, Given):
            _contradicting(dating, item, key)
        if isinstance(item, DrugTreatment):
            _held_away(dating, number, item, key)
            _only_loading(dating, number, item, key)
            if item.levels and not any(rule.then == "reduce" for rule in item.rule):
                warnings.append(f'{item.name}: its levels are never used; add a rule with then = "reduce"')
        if isinstance(item, Procedure):
            _limited(dating, item, key)
        if isinstance(item, Tace):
            _judged(dating, number, item, warnings)
    for phase, stretch, key in zip(dating.phases, phases, dating.phase_keys, strict=True):
        if not phase.ends_all and not any(item.in_phase.lower() == phase.name.lower() for item in dating.items):
            warnings.append(f"phase {stretch.name}: nothing belongs to it")
        if stretch.length is None and not stretch.ends and any(s.follows == phases.index(stretch) for s in phases):
            dating.problems.add(key, f"{quoted(phase.name)} never ends, but another phase follows it")


def _conditions(dating: Dating) -> Iterable[tuple[str, Condition, Key]]:
    """Every condition, with what it stands with and where."""
    for phase, key in zip(dating.phases, dating.phase_keys, strict=True):
        for condition in phase.until or ():
            yield phase.name, condition, (*key, "until")
    for item, key in zip(dating.items, dating.keys, strict=True):
        if isinstance(item.until, tuple):
            for condition in item.until:
                yield item.name, condition, (*key, "until")
        for i, rule in enumerate(getattr(item, "rule", ())):
            for condition in rule.when:
                yield item.name, condition, (*key, "rule", i, "when")
        demanded = getattr(item, "on_demand", None)
        for condition in demanded.when if demanded else ():
            yield item.name, condition, (*key, "on_demand", "when")


def _seen(dating: Dating, place: str, condition: Condition, key: Key, warnings: list[str]) -> None:
    """A condition needs visits that see what it reads; a change needs two."""
    kinds = {"scan": ("scan",), "blood": ("scan", "visit")}.get(condition.needs)
    if kinds is None:
        return
    seeing = {i for i, t in enumerate(dating.items) if t.kind in kinds}
    if not condition.side or condition.criterion:  # read by a criterion, which planning scans are not
        seeing -= {i for i in seeing if getattr(dating.items[i], "planning", False)}
    looks = {t for i in seeing if dating.done.get(i) is not None for t in dating.done[i].ticks}
    if not looks:
        if seeing:
            return  # its own dates were refused
        what = "scan" if condition.needs == "scan" else "visit"
        dating.problems.add(
            key, f"{quoted(condition.text)} is read at a {what}, and this protocol has none; {REPAIRS[condition.needs]}"
        )
    elif len(looks) == 1 and condition.needs == "scan" and not condition.negated:
        warnings.append(f"{place}: {quoted(condition.text)} can hardly be seen at the only scan; repeat it with every")


def _reachable(dating: Dating, condition: Condition, key: Key) -> None:
    """A number of sessions that the protocol never gives."""
    if condition.what != "sessions" or condition.side not in ("above", "at least"):
        return
    most = 0.0
    for i, item in enumerate(dating.items):
        if not isinstance(item, Tace):
            continue
        if item.on_demand is not None:
            most += item.on_demand.maximum or float("inf")
            continue
        try:
            found = dating.dates(i)
        except Refused:
            return
        most += float("inf") if found.open else len(found.ticks)
    if most < condition.bound or (condition.side == "above" and most == condition.bound):
        dating.problems.add(
            key, f"{quoted(condition.text)} is never reached: there are at most {most:g} sessions of TACE; lower it"
        )


def _held_away(dating: Dating, number: int, item: DrugTreatment, key: Key) -> None:
    """Holds around sessions of known dates that leave no dose of a ruled treatment (others are refused when dated)."""
    dates = dating.done.get(number)
    if dates is None or number not in dating.ruled or not item.hold:
        return
    ticks = dates.ticks
    for hold in item.hold:
        around = [dating.done[i] for i in dating.named(hold.around) if dating.done.get(i) is not None]
        anchors = sorted(t for d in around if d.base == dates.base for t in d.ticks)
        ticks = dating.kept(item, ticks, hold, anchors) if anchors else ticks
    if not ticks:
        dating.problems.add(
            (*key, "hold"), f"leaves no day on which {quoted(item.name)} is given; shorten the hold or move the start"
        )


def _only_loading(dating: Dating, number: int, item: DrugTreatment, key: Key) -> None:
    """More loading doses than doses."""
    dates, loading = dating.done.get(number), sum(load.times for load in item.loading)
    if dates is not None and not dates.open and loading > len(dates.ticks):
        dating.problems.add(
            (*key, "loading"),
            f"has {loading} loading doses, but {quoted(item.name)} is given {len(dates.ticks)} times; give fewer",
        )


def _limited(dating: Dating, item: Procedure, key: Key) -> None:
    """A limit per lesion that the one for all lesions keeps out of reach."""
    demand = item.on_demand
    if demand and demand.maximum and demand.maximum_per_lesion and demand.maximum_per_lesion > demand.maximum:
        dating.problems.add(
            (*key, "on_demand", "maximum_per_lesion"),
            f"{demand.maximum_per_lesion} sessions of one lesion are never reached: there are at most "
            f"{demand.maximum} in all; lower it",
        )


def _judged(dating: Dating, number: int, item: Tace, warnings: list[str]) -> None:
    """Refractoriness that no scan can read, because the next session always comes before the one before is judged."""
    dates = dating.done.get(number)
    refractory = [c for c in _ends_of(dating, item) if c.what == "refractory" and not c.negated]
    looks = {i: d.ticks for i, d in dating.done.items() if d is not None and dating.items[i].kind == "scan"}
    scans = sorted(t for ticks in looks.values() for t in ticks)
    read = [t for i, ticks in looks.items() for t in ticks if not dating.items[i].planning]
    if dates is None or dates.base >= 0 or not refractory or not read:
        return
    sessions, demand = list(dates.ticks), item.on_demand
    ended = demand.maximum is not None if demand else not dates.open
    if demand is not None:
        delay, apart = to_ticks(demand.delay, "delay"), to_ticks(demand.minimum_interval, "minimum_interval")
        for _ in range((demand.maximum or FOLLOWED) - 1):
            asked = next((t for t in scans if t > sessions[-1]), None)
            if asked is not None:
                sessions.append(max(asked + delay, sessions[-1] + apart))
    until = [*sessions[1:], *([scans[-1]] if ended else [])]
    wait = JUDGED_DAYS * TICKS_PER_DAY
    judged = [any(a + wait <= t <= b for t in read) for a, b in zip(sessions, until, strict=False)]
    seen = {"jsh": sum(judged) >= 2, "easl": any(judged[1:])}  # two in a row; no response to any after the first
    longer = '"minimum_interval"' if demand is not None else '"every"'
    warnings += [
        f"{item.name}: {quoted(condition.text)} can hardly be seen: a session is judged from {JUDGED_DAYS:g} days on, "
        f"and the next one comes before such a scan; lengthen {longer}, or move the scans"
        for condition in refractory if not seen[condition.criterion] and len(sessions) > 1
    ]  # fmt: skip


def _ends_of(dating: Dating, item: Given) -> list[Condition]:
    """Conditions that end a treatment for good: its own, those of its rules and those of its phase."""
    found = list(item.until) if isinstance(item.until, tuple) else []
    found += [c for rule in item.rule if rule.then == "discontinue" for c in rule.when]
    phase = next((p for p in dating.phases if p.name.lower() == item.in_phase.lower()), None)
    return [*found, *((phase.until or ()) if phase else ())]


def _contradicting(dating: Dating, item: Given, key: Key) -> None:
    """One and the same condition that asks for and forbids, or asks twice."""
    ends = {str(c).lower() for c in _ends_of(dating, item)}
    for i, rule in enumerate(item.rule):
        if rule.then == "skip" and isinstance(item, DrugTreatment) and dating.route(item) == "oral":
            dating.problems.add(
                (*key, "rule", i, "then"),
                'a drug taken every day is not left out dose by dose; write then = "interrupt"',
            )
    demanded = getattr(item, "on_demand", None)
    for condition in demanded.when if demanded else ():
        if str(condition).lower() in ends:
            dating.problems.add(
                (*key, "on_demand", "when"),
                f"{quoted(condition.text)} asks for a session and ends the treatment; keep one of the two",
            )
    for i, rule in enumerate(item.rule):
        for condition in rule.when:
            if rule.then != "discontinue" and str(condition).lower() in ends:
                dating.problems.add(
                    (*key, "rule", i),
                    f"{quoted(condition.text)} ends {quoted(item.name)} as well, so this rule never acts; remove it",
                )
