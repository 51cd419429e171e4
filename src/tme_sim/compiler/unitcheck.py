"""Unit report: every law is called once with quantities, and must return what its kind demands, in dimension and size.

Runs when a model is first compiled; at run time units cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from tme_sim.network import OXYGEN, Network, NetworkError, arguments
from tme_sim.quantities import DIMENSIONS, base_unit, describe_dimension, dimensions, factor, registry


@dataclass(frozen=True)
class Verdict:
    """One law checked: what it belongs to, the unit expected, and what is wrong ("" when nothing is)."""

    owner: str
    law: str
    expected: str
    problem: str


def units_of(network: Network) -> dict[str, str]:
    """Unit of every name a law can read."""
    units = {OXYGEN: "mmHg"}
    units |= {p.name: p.unit for p in network.parameters()}
    units |= {name: unit for name, (_, unit) in network.rests.items()}
    for item in (*network.species, *network.held, *network.signals, *network.totals, *network.references):
        units[item.name] = item.unit
        for i in range(getattr(item, "parts", 0)):
            units[f"{item.name}_{i}"] = item.unit
    units |= {f"{s.name}_start": s.unit for s in network.species}
    units |= {b.parameter: b.unit for b in network.balances}
    species = {s.name: s.unit for s in network.species}
    for p in network.processes:
        units[f"rate_{p.name}"] = f"{species.get(p.of, '1')}/day"
    return units


def expected_unit(process, units: dict[str, str]) -> str:
    """Unit that the law of a process must return."""
    of = units.get(process.of, "1")
    if process.kind in ("division", "death", "transition", "decay", "contact"):
        return "1/day"
    if process.kind in ("arrival", "exchange"):
        return f"{of}/day"
    by = units.get(process.by, "1")
    inverse = "/".join(["", *by.replace("*", "/").split("/")]) if "/" not in by and "*" not in by else None
    if inverse is not None:
        return f"{of}{inverse}/day"
    top, _, bottom = by.partition("/")
    return f"{of}*{bottom.replace('/', '*')}/{top}/day"


def report(network: Network) -> list[Verdict]:
    """Check every law; returns one verdict per law."""
    units = units_of(network)
    ureg = registry()
    values = {p.name: p.internal or factor(p.unit) for p in network.parameters()}
    jobs = [(f'process "{p.name}"', p.law, p.bind, [expected_unit(p, units)]) for p in network.processes]
    jobs += [(f'signal "{s.name}"', s.law, s.bind, [s.unit] * (s.parts or 1)) for s in network.signals]
    jobs += [(f'total "{t.name}"', t.law, t.bind, [t.unit]) for t in network.totals]
    jobs += [(f'modulation "{m.name}"', m.law, m.bind, ["1"]) for m in network.modulations]
    jobs += [(f'start of "{s.name}"', s.initial, {}, [s.unit]) for s in network.species if callable(s.initial)]
    jobs += [(f'reference "{r.name}"', r.signal, {}, [r.unit]) for r in network.references if callable(r.signal)]
    out = []
    for owner, law, bind, expected in jobs:
        out.append(Verdict(owner, law.__name__, expected[0], _judge(law, bind, expected, units, values, ureg)))
    for owner, name, unit, other in _links(network, units):
        if dimensions(unit) != dimensions(other):
            problem = f"{name} is in {unit}, but {other} is needed; change one of them"
            out.append(Verdict(owner, name, other, problem))
    return out


def _links(network: Network, units: dict[str, str]):
    """Names used without a law: initial values by name, references to signals, growth of balances."""
    for s in network.species:
        if isinstance(s.initial, str):
            yield f'start of "{s.name}"', s.initial, units[s.initial], s.unit
    for r in network.references:
        if isinstance(r.signal, str):
            yield f'reference "{r.name}"', r.signal, units[r.signal], r.unit
    for b in network.balances:
        if b.grows:
            yield f'balance "{b.parameter}"', b.grows, units[b.grows], "1/day"


def _judge(law, bind, expected, units, values, ureg) -> str:
    names = arguments(law, bind)
    plain = {a: values.get(n, 0.37 * factor(units[n])) for a, n in names.items()}
    try:
        result = law(**{a: ureg.Quantity(v, _base(units[names[a]])) for a, v in plain.items()})
        number = law(**plain)
    except Exception as error:
        if type(error).__name__ != "DimensionalityError":
            raise
        first, other = (_written(u, ureg) for u in (error.units1, error.units2))
        return f"has {first} where {other} belongs; check the units of {_listed(names, units)}"
    results = result if isinstance(result, tuple) else (result,)
    numbers = number if isinstance(number, tuple) else (number,)
    for got, plain_number, wanted in zip(results, numbers, expected, strict=True):
        quantity = got if hasattr(got, "to") else ureg.Quantity(got, "")
        if not quantity.is_compatible_with(ureg.Quantity(1, _base(wanted))):
            return (
                f"returns {_written(quantity.units, ureg)}, but must return {wanted} "
                f"({describe_dimension(wanted)}); check the units of {_listed(names, units)}"
            )
        size = quantity.to(_base(wanted)).magnitude
        if abs(size - plain_number) > 1e-9 * max(abs(size), abs(plain_number)):
            return f"is off by a factor {size / plain_number if plain_number else float('inf'):g} against {wanted}"
    return ""


def _listed(names: dict[str, str], units: dict[str, str]) -> str:
    return ", ".join(f"{a} [{units[n]}]" for a, n in names.items())


def _written(units, ureg) -> str:
    """Units as pint keeps them, in base units and as people write them here."""
    powers = dict(ureg.Quantity(1, units).dimensionality)
    dimension = tuple(powers.get(f"[{d}]", 0) for d in DIMENSIONS)
    text = base_unit(dimension) if all(e == int(e) for e in dimension) else str(units)
    return "a plain number" if text == "1" else text


def _base(unit: str) -> str:
    """The unit's dimension written in base units, as pint reads it."""
    from tme_sim.quantities import BASE_UNITS

    parts = [f"{u} ** {e}" for u, e in zip(BASE_UNITS, dimensions(unit), strict=True) if e]
    return " * ".join(parts)


def check(network: Network) -> None:
    """Refuse a network with an inconsistent law.

    Raises:
        NetworkError: lists each law, the units on both sides and what to check.
    """
    bad = [v for v in report(network) if v.problem]
    if bad:
        raise NetworkError("\n".join(f"{v.owner}: law {v.law} {v.problem}" for v in bad))
