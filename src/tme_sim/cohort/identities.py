"""What makes a table look like one of identifiable patients: names of columns, their content, remarks, own codes.

A code that stands for a person (``HM-0001``) is as good as a record number to whoever holds the list.  It is told from
a class or a reading by the name of its column, or by being another in every row and written alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tme_sim.diagnostics import quoted

__all__ = ["identifying"]

NAMING = (
    "name",
    "surname",
    "forename",
    "firstname",
    "lastname",
    "fullname",
    "initials",
    "birth",
    "dob",
    "birthdate",
    "mrn",
    "recordnumber",
    "medicalrecord",
    "hospitalnumber",
    "patientid",
    "subjectid",
    "passport",
    "ssn",
    "socialsecurity",
    "nhsnumber",
    "insurance",
    "address",
    "street",
    "postcode",
    "zip",
    "zipcode",
    "phone",
    "telephone",
    "mobile",
    "email",
    "mail",
    "vorname",
    "nachname",
    "geburtsdatum",
    "geburtstag",
)
EXACT = frozenset({"name", "mail", "zip", "dob", "mrn", "ssn", "mobile", "insurance", "phone", "birth"})
UPPER, LOWER = "A-ZÀ-ÖØ-ÞČĐĞİŁŃŐŚŠŞŰŹŻŽ", "a-zß-öø-ÿčđęğıłńőśšşűźżž"
WORD = f"[{UPPER}](?:['’][{UPPER}])?[{LOWER}]+(?:[-'’]?[{UPPER}][{LOWER}]+)*"  # of a name: Müller, O'Brien, Anne-Marie
FIRST = f"[{UPPER}]\\.(?: ?[{UPPER}]\\.)*"  # initials
SHORTENED = "U\\. ?[SK]|I\\. ?[VMA]|S\\. ?C|P\\. ?O|N\\. ?B|E\\. ?U|Z\\. ?B"
DOTTED = f"(?!(?:{SHORTENED})\\.)[{UPPER}]\\.(?: ?[{UPPER}]\\.)+"
CLASSED = "".join(f"(?<!{word} )" for word in ("Pugh", "stage", "Stage", "grade", "Grade", "BCLC", "type", "class"))
PERSON = r"(?:[Pp]atient(?:in)?|[Pp]at\.?|[Pp]t\.?|[Ss]ubject|[Ii]nitial(?:s|en)?)[:,]? "  # what a name follows
TERMS = "(?:Child|Pugh|Barcelona|Milan|Complete|Partial|Stable|Progressive|Disease|Response|Declined|Refused)\\b"
SHORT = (  # of two or three letters, and no initials
    "AE|AFP|AIH|ALT|APR|AR|ASA|AST|BMI|BP|CA|CEA|CHC|CHE|CKD|CP|CR|CRP|CT|CTP|CVD|DC|DCP|DEB|DM|DNA|DVT|ECG|EHS|ESA|EU|FU|"
    "FUP|GGT|GI|HBV|HCC|HCV|HDV|HE|HF|HIV|HR|HT|HU|ICC|ICG|ICI|ICU|II|III|INR|IR|IU|IV|IVC|KPS|LAD|LI|LN|LR|LT|LTX|LVI|MI|MR|"
    "MRI|MVI|MWA|NA|ND|NE|NED|NK|NLR|NO|NR|NRS|OK|OLT|OP|OR|ORR|OS|PBC|PD|PEI|PET|PFS|PLT|PO|PR|PS|PSC|PT|PV|PVE|PVT|QOL|RBC|"
    "GDA|SMA|PHA|CHA|RHA|LHA|MHA|RHV|LHV|MHV|RPV|LPV|MPV|SMV|IPA|SBR|RE|RFA|RNA|RT|SAE|SBP|SC|SD|SI|TB|TE|TIA|TIPS|TKI|TNM|TTP|UK|US|USA|VI|VII|VP|WBC|WHO|YES"
)
GIVEN = f"{WORD}|[{UPPER}]+|{FIRST}"
NAMES = f"{WORD}(?:[ ,]+{WORD})+|{WORD},? {FIRST}|{FIRST} ?{WORD}|[{UPPER}][{UPPER}'’-]+, ?(?:{GIVEN})"
MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]*\.?"
WRITTEN = rf"\d{{1,2}}\.? ?{MONTH},? ?\d{{2,4}}|{MONTH} \d{{1,2}},? \d{{4}}"
NUMERIC = r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
CONTENT = (
    (re.compile(rf"^(?:{NUMERIC}|{WRITTEN})(?:[T ].*)?$", re.IGNORECASE), "dates"),
    (re.compile(r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"), "mail addresses"),
    (re.compile(r"^[A-Z]{0,4}[- ]?\d{6,12}[A-Z]?$"), "record numbers"),
    (re.compile(r"^\+?\d[\d ()/-]{8,}\d$"), "telephone numbers"),
    (re.compile(f"^(?:{NAMES})$"), "names of people"),
    (re.compile(f"^{DOTTED}$"), "initials"),
)
KEYS = frozenset({"patient", "patients", "pat", "pt", "pid", "id", "code", "case", "subject", "participant", "proband",
                  "pseudonym", "record", "fall", "kennung"})  # columns that say which person a row is of  # fmt: skip
CODE = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[A-Za-z0-9]+(?:[-_/. ][A-Za-z0-9]+)*")
LETTERS = re.compile(f"[{UPPER}]{{2,3}}")
AT_END = re.compile(rf"^\W*(?!(?:{SHORT})\b)([{UPPER}]{{2,3}})\b|\b(?!(?:{SHORT})\b)([{UPPER}]{{2,3}})\W*$")
LEAST_ROWS = 10  # of which a column of codes has as many, whatever its name
INSIDE = (  # of a remark; one is enough
    (re.compile(r"[^@\s]{1,64}@[^@\s]+\.[A-Za-z]{2,}"), "mail addresses"),  # as long as a name may be: no slow search
    (re.compile(r"(?<![\w.])\+?\(?\d{2,5}\)?[ /-]+\d{2,4}[ -]\d{3,}(?![\w.])"), "telephone numbers"),
    (re.compile(rf"\b(?:{NUMERIC}|{WRITTEN})\b", re.IGNORECASE), "dates"),
    (re.compile(rf"\b(?:Mr|Mrs|Ms|Dr|Prof|Herr|Hr|Frau)\.? {WORD}"), "names of people"),
    (re.compile(rf"\b{PERSON}(?!{TERMS}){WORD}[ ,]+(?!{TERMS}){WORD}"), "names of people"),
    (re.compile(rf"\b(?:by|von|durch|per|call|ask) {FIRST} ?{WORD}"), "names of people"),
    (re.compile(rf"(?=[{UPPER}]\.){CLASSED}(?<![\w.]){DOTTED}(?!\w)"), "initials"),
    (re.compile(rf"\b{PERSON}(?!(?:{SHORT})\b)[{UPPER}]{{2,3}}\b"), "initials"),
)


def identifying(columns: dict[str, list[str]]) -> list[str]:
    """Why a table looks like one of identifiable patients; empty if it does not."""
    found = []
    for name, values in columns.items():
        folded = re.sub(r"[^a-z]", "", name.lower())
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
        if EXACT & {*words, folded} or any(word in folded for word in NAMING if word not in EXACT):
            found.append(f"column {quoted(name)} sounds like one that identifies people")
            continue
        filled = [v.strip() for v in values[:200] if v.strip()]
        what = next((what for pattern, what in CONTENT
                     if filled and sum(bool(pattern.match(v)) for v in filled) > 0.5 * len(filled)), "")  # fmt: skip
        what = what or _codes(filled, bool(KEYS & {*words, folded}))
        if what:
            found.append(f"column {quoted(name)} looks like {what}")
            continue
        remarks = [v for v in values if " " in v.strip() and re.search("[A-Za-z]", v)]
        told = [what for pattern, what in INSIDE if any(pattern.search(v) for v in remarks)]
        told += ["initials"] * _initialled(remarks)
        found += [f"column {quoted(name)} holds {what}" for what in told[:1]]
    return found


def _codes(values: Sequence[str], key: bool) -> str:
    """What a column holds that is another in nearly every row, and looks like a code or the initials of a person.

    `key`: the name of the column says that its cells stand for people.  Plain numbers count rows, as those of virtual
    patients do.
    """
    if len(values) < (2 if key else LEAST_ROWS) or len(set(values)) < 0.9 * len(values):
        return ""
    if key and all(LETTERS.fullmatch(v) for v in values):
        return "initials"
    codes = [v for v in values if CODE.fullmatch(v) and len(v) <= 24 and not _number(v)]
    if len(codes) < 0.9 * len(values):
        return ""
    shapes = {re.sub(r"\d", "9", re.sub("[A-Za-z]", "A", v)) for v in codes}
    alike = len(shapes) == 1 and next(iter(shapes)).count("9") >= 3  # like HM-0001
    return "codes of single patients" if key or alike else ""


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _initialled(remarks: Sequence[str]) -> bool:
    """Whether remarks begin or end with two or three capitals that are others in nearly every row: abbreviations of the
    field come again, initials of patients do not."""
    found = [match[1] or match[2] for match in map(AT_END.search, remarks) if match]
    return len(found) >= 3 and len(found) >= 0.5 * len(remarks) and len(set(found)) >= 0.9 * len(found)
