"""Plasma exposure of a library drug: half-lives in closed form, repeated doses by a small fixed-step integration.

This is a check on the data, not the simulator: it knows one patient and one drug, shares no code with the engine and
serves the table of published kinetics.  Amounts in mg, volumes in mm^3, times in days.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from tme_sim.quantities import internal, to_display
from tme_sim.therapies.drug import Drug, Kinetics, Published

STEPS_PER_HALF_LIFE = 25
DEFAULT_WEIGHT, DEFAULT_SURFACE = "70 kg", "1.8 m^2"


class Interval(NamedTuple):
    """Peak and trough [mg/mm^3] and area under the curve [mg*day/mm^3] of one dosing interval."""

    peak: float
    trough: float
    auc: float


def half_lives(kinetics: Kinetics, time: float = 0.0) -> list[float]:
    """Return the disposition half-lives [day], shortest first, with the linear clearance of `time` [day].

    One to three compartments, by the roots of the characteristic polynomial; saturable elimination is left out.
    """
    k10 = kinetics.clearance(time) / kinetics.V1
    k12, k21 = kinetics.Q1 / kinetics.V1, kinetics.Q1 / kinetics.V2
    k13, k31 = kinetics.Q2 / kinetics.V1, kinetics.Q2 / kinetics.V3
    if kinetics.Q1 == 0.0:
        rates = [k10]
    elif kinetics.Q2 == 0.0:
        b, c = k10 + k12 + k21, k10 * k21
        root = math.sqrt(b * b - 4.0 * c)
        rates = [(b + root) / 2.0, 2.0 * c / (b + root)]
    else:
        a = k10 + k12 + k13 + k21 + k31
        b = k10 * (k21 + k31) + k12 * k31 + k13 * k21 + k21 * k31
        c = k10 * k21 * k31
        p, q = b - a * a / 3.0, -2.0 * a**3 / 27.0 + a * b / 3.0 - c
        radius = math.sqrt(-p / 3.0)
        angle = math.acos(max(-1.0, min(1.0, q / (-2.0 * radius**3))))  # three real roots: the system is mammillary
        rates = sorted(a / 3.0 + 2.0 * radius * math.cos((angle + 2.0 * math.pi * i) / 3.0) for i in range(3))[1:]
        rates.append(c / (rates[0] * rates[1]))  # the smallest root as a quotient: as a difference it loses digits
    return sorted(math.log(2.0) / rate for rate in rates)


def _slope(k: Kinetics, t: float, y: list[float], to_depot: float, to_central: float) -> list[float]:
    """Right-hand side: depot, central, two peripheral amounts [mg] and the area [mg*day/mm^3]."""
    depot, central, second, third, _ = y
    c = central / k.V1
    flow = k.ka * depot
    exchange1, exchange2 = k.Q1 * (c - second / k.V2), k.Q2 * (c - third / k.V3)
    loss = k.clearance(t) * c + k.Vmax * c / (k.Km + c)
    return [to_depot - flow, to_central + flow - loss - exchange1 - exchange2, exchange1, exchange2, c]


def repeated_doses(
    kinetics: Kinetics, dose: float, interval: float, doses: int, infusion: float = 0.0, until: float | None = None
) -> tuple[list[Interval], list[tuple[float, float]]]:
    """Return peak, trough and area per dosing interval, and the curve (time, concentration) of the last interval.

    `dose` [mg] is given `doses` times every `interval` [day] over `infusion` [day]; `until` [day] replaces the length
    of the last interval.  Classical Runge-Kutta steps, 25 per fastest half-life, that land on every change of input.
    """
    k = kinetics
    fastest = min(half_lives(k)[0], math.log(2.0) / k.ka if k.ka else math.inf)
    given = dose * k.F * k.moiety_share
    y, found, curve = [0.0] * 5, [], []
    for number in range(doses):
        start = number * interval
        length = until if until is not None and number == doses - 1 else interval
        slow, duration, bolus_into = given * k.zero_order_share, k.zero_order_duration, 0 if k.ka else 1
        slow_into = 1 if k.zero_order_into_central or not k.ka else 0
        if infusion > 0.0:
            slow, duration, slow_into = given, infusion, 1
        y[bolus_into] += given - slow
        y[4] = 0.0
        curve, peak = [(start, y[1] / k.V1)], y[1] / k.V1
        for begin, end in ((0.0, min(duration, length)), (min(duration, length), length)):
            if end <= begin:
                continue
            rate = slow / duration if begin < duration else 0.0
            inputs = (rate, 0.0) if slow_into == 0 else (0.0, rate)
            steps = max(1, math.ceil((end - begin) / fastest * STEPS_PER_HALF_LIFE))
            h = (end - begin) / steps
            for i in range(steps):
                t = start + begin + i * h
                s1 = _slope(k, t, y, *inputs)
                s2 = _slope(k, t + h / 2.0, [a + h / 2.0 * b for a, b in zip(y, s1, strict=True)], *inputs)
                s3 = _slope(k, t + h / 2.0, [a + h / 2.0 * b for a, b in zip(y, s2, strict=True)], *inputs)
                s4 = _slope(k, t + h, [a + h * b for a, b in zip(y, s3, strict=True)], *inputs)
                y = [a + h / 6.0 * (b + 2.0 * c + 2.0 * d + e) for a, b, c, d, e in zip(y, s1, s2, s3, s4, strict=True)]
                curve.append((t + h, y[1] / k.V1))
                peak = max(peak, curve[-1][1])
        found.append(Interval(peak, curve[-1][1], y[4]))
    return found, curve


def _at(curve: list[tuple[float, float]], time: float) -> float:
    """Return the concentration of the curve point nearest to `time`."""
    return min(curve, key=lambda point: abs(point[0] - time))[1]


def computed(drug: Drug, row: Published) -> float:
    """Return what the library's kinetics give for a published figure, in the unit of that figure."""
    kinetics = drug.kinetics(row.conditions)
    if row.relative_bioavailability is not None:
        kinetics = replace(kinetics, F=row.relative_bioavailability)
    time = 0.0 if row.at == "start" else math.inf
    if row.quantity == "half_life":
        phases = half_lives(kinetics, time)
        return float(to_display(phases[row.phase - 1] if row.phase else phases[-1], row.value.unit))
    if row.quantity == "clearance":
        return float(to_display(kinetics.clearance(time), row.value.unit))
    if row.quantity == "steady_volume":
        extra = (kinetics.V2 if kinetics.Q1 else 0.0) + (kinetics.V3 if kinetics.Q2 else 0.0)
        return float(to_display(kinetics.V1 + extra, row.value.unit))
    patient = drug.patient(row.conditions)
    milligrams = row.dose.milligrams(patient.get("weight", internal(DEFAULT_WEIGHT)), internal(DEFAULT_SURFACE))
    if row.quantity == "half_life_between":
        _, curve = repeated_doses(kinetics, milligrams, row.window[1], 1, row.infusion, until=row.window[1] * 1.01)
        first, last = (_at(curve, time) for time in row.window)
        result = math.log(2.0) * (row.window[1] - row.window[0]) / math.log(first / last)
        return float(to_display(result, row.value.unit))
    intervals, _ = repeated_doses(kinetics, milligrams, row.dose.interval, row.doses, row.infusion)
    measure = row.quantity.removeprefix("accumulation_")
    result = getattr(intervals[-1], measure)
    if row.quantity != measure:
        return result / getattr(intervals[0], measure)
    if row.statistic == "mean":
        result *= math.exp(drug.variability["CL"].value ** 2 / 2.0)  # mean of 1/CL over a log-normal CL
    return float(to_display(result, row.value.unit))
