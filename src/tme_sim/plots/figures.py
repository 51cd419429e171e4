"""The figures of a run: which panels each is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tme_sim.plots.lesion import calendar_and_lesion
from tme_sim.plots.panel import Line, Panel, Reference
from tme_sim.plots.record import curve, unit_of
from tme_sim.plots.treatments import Treatments

__all__ = ["FIGURES", "FigureOfRun"]

PERCENT = 100.0


@dataclass(frozen=True)
class FigureOfRun:
    """One figure of a run: file name, the question it answers, its caption, and what builds its panels."""

    name: str
    question: str
    caption: str
    panels: Callable[..., list[Panel]]


# --- 2: oxygen, HIF, VEGF, vessels ----------------------------------------------------------------------------


def oxygen_hif_vegf_vessels(run, _treatments) -> list[Panel]:
    """From occlusion to oxygen, HIF, VEGF and vessels."""
    return [
        Panel("Oxygen, mean of viable tissue", unit_of(run, "oxygen_mean"),
              curve(run, "oxygen_mean", "mean oxygen", "oxygen")),
        Panel("Hypoxia: share of viable tissue below 12 mmHg, and anoxia, below 2.5 mmHg", "%", [
            *curve(run, "hypoxic_share", "hypoxic", "hypoxic", factor=PERCENT),
            *curve(run, "anoxic_viable", "anoxic", "anoxic", factor=PERCENT)], limits=(0, 100)),
        Panel("HIF: HIF-1α is fast, then braked; HIF-2α slow and lasting", "level", [
            *curve(run, "HIF1", "HIF-1α", "HIF1"), *curve(run, "HIF2", "HIF-2α", "HIF2")]),
        Panel("VEGF in the tumour, all of it and what still reaches its receptors", "× untreated", [
            *curve(run, "VEGF", "all", "VEGF"), *curve(run, "vegf_fold", "reaches receptors", "VEGF_free")]),
        Panel("VEGF in blood as assays read it (antibody keeps bound VEGF there)", unit_of(run, "VEGF_plasma"), [
            *curve(run, "VEGF_serum", "serum, free and bound", "VEGF_serum"),
            *curve(run, "VEGF_plasma", "plasma, free and bound", "VEGF"),
            *curve(run, "vegf_free_plasma", "plasma, free", "VEGF_free")], scale="auto", height=20.0),
        Panel("How many vessels: density", unit_of(run, "mature_vessels"), [
            *curve(run, "immature_vessels", "immature", "immature"), *curve(run, "mature_vessels", "mature", "mature"),
            *curve(run, "perfused_density", "perfused", "perfused")]),
        Panel("How good they are: flow quality and normalisation", "0 to 1", [
            *curve(run, "vessel_quality", "quality", "quality"),
            *curve(run, "normalisation", "normalisation", "normalisation")], limits=(0, 1)),
        Panel("What flows: open share, and perfusion (open vessels × quality) against the untreated tumour", "%", [
            *curve(run, "open_share", "open share", "open", factor=PERCENT),
            *curve(run, "perfusion", "perfusion", "perfusion", factor=PERCENT)]),
    ]  # fmt: skip


# --- 3: MDSC and suppression ----------------------------------------------------------------------------------


def mdsc_and_suppression(run, _treatments) -> list[Panel]:
    """ENTPD2 to AMP and adenosine, suppressor cells in tumour, blood and marrow, macrophages, Treg."""
    untreated = [Reference(1.0, "untreated")]
    return [
        Panel("ENTPD2 turns ATP into AMP, from which adenosine is made", "× untreated", [
            *curve(run, "ENTPD2", "ENTPD2", "ENTPD2"), *curve(run, "ATP", "ATP", "ATP"),
            *curve(run, "AMP", "AMP", "AMP"), *curve(run, "adenosine", "adenosine", "adenosine")],
            references=untreated, zero=False, scale="auto", height=24.0),
        Panel("Suppressor cells (MDSC) in the tumour", unit_of(run, "MDSC"), curve(run, "MDSC", "MDSC", "MDSC")),
        Panel("Suppressor cells in blood", unit_of(run, "MDSC_blood"), curve(run, "MDSC_blood", "MDSC", "MDSC")),
        Panel("Tumour macrophages (TAM)", unit_of(run, "TAM"), curve(run, "TAM", "TAM", "TAM")),
        Panel("Regulatory T cells in the tumour", unit_of(run, "Treg"), curve(run, "Treg", "Treg", "Treg")),
        Panel("Shares in blood: MDSC of mononuclear cells, regulatory T cells of CD4 cells", "%", [
            *curve(run, "MDSC_share", "MDSC", "MDSC", factor=PERCENT),
            *curve(run, "Treg_share", "Treg", "Treg", factor=PERCENT)]),
        Panel("What feeds them: marrow precursors, and regulatory T cells in blood", "× untreated", [
            *curve(run, "MDSC_marrow", "MDSC precursors", "MDSC"),
            *curve(run, "Treg_blood", "Treg in blood", "Treg")]),
    ]  # fmt: skip


# --- 4: priming and T cells -----------------------------------------------------------------------------------


def priming_and_tcells(run, _treatments) -> list[Panel]:
    """From dying cells to danger signals, dendritic cells, CD8 in blood and tumour, checkpoint and killing."""
    return [
        Panel("What dying cells release: antigen and danger signals (DAMP)", "× untreated", [
            *curve(run, "antigen", "antigen", "antigen"), *curve(run, "DAMP", "DAMP", "DAMP")], scale="auto"),
        Panel("Dendritic cells in the tumour", unit_of(run, "DC"), [
            *curve(run, "DC", "immature DC", "DC"), *curve(run, "DC_mature", "mature DC", "DC_mature")], scale="auto"),
        Panel("Dendritic cells with antigen in the draining node", unit_of(run, "DC_node"),
              curve(run, "DC_node", "in node", "DC_mature"), scale="auto"),
        Panel("Primed CD8 effectors in blood", unit_of(run, "CD8_blood"), curve(run, "CD8_blood", "in blood", "CD8")),
        Panel("CD8 in the tumour", unit_of(run, "CD8"), [
            *curve(run, "CD8", "effector", "CD8"), *curve(run, "CD8_exhausted", "exhausted", "CD8_exhausted"),
            *curve(run, "CD8_stem", "stem-like", "CD8_stem")], scale="auto", height=22.0),
        Panel("PD-L1, and the PD-1:PD-L1 bonds that form", "× untreated", [
            *curve(run, "PDL1", "PD-L1", "PDL1"), *curve(run, "pd1_bonds", "bonds", "bonds")]),
        Panel("T-cell killing per visible tumour cell, against untreated growth", unit_of(run, "kill_hazard"), [
            *curve(run, "kill_hazard", "killing", "CD8"), *curve(run, "growth_rate", "net growth", "viable")],
            scale="auto"),
    ]  # fmt: skip


# --- 5: drugs -------------------------------------------------------------------------------------------------


SLOTS = ("trap", "tki", "pd1", "ctla4", "chemo", "chemo2")


def drugs(run, treatments: Treatments) -> list[Panel]:
    """Plasma concentration per drug, what is engaged, and doxorubicin at the tumour; empty without any drug."""
    panels = []
    names = {c.slot: c.drug for c in treatments.courses}
    for slot in SLOTS:
        column = f"{slot}_plasma"
        if column in run and np.any(np.asarray(run[column]) > 0):
            name = names.get(slot, run.labels[column].removesuffix(" in plasma"))
            title = f"{name[:1].upper()}{name[1:]} in plasma{_peaks(run, slot)}"
            panels.append(Panel(title, unit_of(run, column), curve(run, column, name, slot), scale="auto"))
    engaged = [
        *_used(run, "pd1_engaged", "PD-1/PD-L1 engaged", "pd1"),
        *_used(run, "ctla4_engaged", "CTLA-4 engaged", "ctla4"),
        *_used(run, "tki_vegfr_blocked", "VEGFR blocked", "tki"),
        *_used(run, "vegf_free_share", "plasma VEGF bound", "trap", change=lambda share: 1 - share),
        *(curve(run, "vegf_blocked", "VEGF signal blocked", "vegf_blocked", factor=PERCENT) if panels else ()),
    ]  # fmt: skip
    if engaged:
        panels.append(Panel("What is engaged or blocked", "%", engaged, limits=(0, 102), height=24.0))
    if "doxorubicin" in run and np.any(np.asarray(run["doxorubicin"]) > 0):
        panels.append(Panel("Doxorubicin in the tumour, released where the embolisation left it",
                            unit_of(run, "doxorubicin"), curve(run, "doxorubicin", "doxorubicin", "doxorubicin"),
                            scale="log"))  # fmt: skip
    return panels


def _peaks(run, slot: str) -> str:
    """What a title says where values are kept so seldom that the peak of an infusion falls between two of them."""
    every = float(np.median(np.diff(run.time))) if len(run.time) > 2 else 0.0
    return f" (kept every {every:.2g} d; peaks lie higher)" if slot != "tki" and every > 0.25 else ""


def _used(run, name: str, label: str, colour: str, change=None) -> list[Line]:
    """A share in per cent, if it is ever above zero."""
    lines = curve(run, name, label, colour, factor=PERCENT, change=change)
    return lines if any(np.any(line.values > 1e-9) for line in lines) else []


# --- 6: liver and markers -------------------------------------------------------------------------------------


def liver_and_markers(run, _treatments) -> list[Panel]:
    """Liver function with its grades, inflammation, the tumour marker, and what becomes of the patient."""
    grade = [Reference(-2.60, "grade 1 below, 2 above"), Reference(-1.39, "grade 3 above", include=False)]
    return [
        Panel("Liver function: ALBI score (higher is worse)", "score", [
            *curve(run, "albi", "ALBI", "albi"), *curve(run, "albi_reserve", "without inflammation", "albi_reserve")],
            references=grade, zero=False, height=22.0),
        Panel("Interleukin-6 after liver injury", "× untreated", curve(run, "IL6", "IL-6", "IL6")),
        Panel("Neutrophil-to-lymphocyte ratio", "ratio", curve(run, "NLR", "NLR", "NLR")),
        Panel("Alpha-fetoprotein", unit_of(run, "AFP"), curve(run, "AFP", "AFP", "AFP"), scale="auto"),
        Panel("Probability to be alive, and to have portal vein invasion", "%", [
            *curve(run, "death_hazard", "alive", "alive", factor=PERCENT, change=lambda hazard: np.exp(-hazard)),
            *curve(run, "invaded", "invasion", "invaded", factor=PERCENT)], limits=(0.0, 104.0)),
    ]  # fmt: skip


FIGURES = (
    FigureOfRun("calendar_and_lesion", "When was the tumour treated, and what became of it?",
            "Calendar with the response read at each scan, lesion volume by tissue, and change of diameters.",
            calendar_and_lesion),
    FigureOfRun("oxygen_hif_vegf_vessels", "How do occlusion and anti-VEGF move oxygen, HIF, VEGF and vessels?",
            "Oxygen and hypoxic shares, HIF, VEGF in tumour and plasma, density, quality and flow of vessels.",
            oxygen_hif_vegf_vessels),
    FigureOfRun("mdsc_and_suppression", "What feeds suppression, and where do the suppressor cells go?",
            "ENTPD2, ATP, AMP and adenosine; suppressor cells, macrophages and regulatory T cells.",
            mdsc_and_suppression),
    FigureOfRun("priming_and_tcells", "Does released antigen become CD8 that kill?",
            "Antigen and danger signals, dendritic cells, CD8 in blood and tumour, PD-L1, killing against growth.",
            priming_and_tcells),
    FigureOfRun("drugs", "How much drug is there, and what does it engage?",
            "Plasma concentrations, engagement of targets, doxorubicin in the tumour.", drugs),
    FigureOfRun("liver_and_markers", "What does treatment cost the liver, and what does blood show?",
            "ALBI score with its grades, interleukin-6, neutrophil-to-lymphocyte ratio, alpha-fetoprotein, survival.",
            liver_and_markers),
)  # fmt: skip
