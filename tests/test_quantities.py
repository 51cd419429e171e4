"""Units: the grammar, exactness against pint, and what a parameter refuses."""

import math
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tme_sim import quantities as q
from tme_sim.quantities import Parameter, Quantity, QuantityError

# Every unit that the literature table of the model's parameters uses.
TABLE_UNITS = [
    "1", "1/day", "mmHg", "day", "L/day", "L", "uM", "nM", "h", "um", "fold", "1/min", "-", "1/h", "fraction", "ln unit",
    "m^2/s", "vessels/mm^2", "mL/min/100mL", "pg/mL", "%", "cell/mm^3", "cell/mL", "molecule/cell", "L/h", "ug/mL",
    "ng/mL", "uM/mmHg", "mmHg/s", "nmol/s/1e6 cells", "1 (fraction)", "min", "molecule/cell/s", "pg/cell/day", "cm^2/s",
    "cm/s", "1/M/s", "receptor/cell", "pM", "1/mm^2/day", "relative dose", "fraction of baseline", "mM", "s",
    "cell/mL/day", "SMD", "mU", "division", "1/min per adhesive cell", "cell/cm^3", "1/min per cm^3", "clone",
    "target/CTL/day", "um/min", "cell/mm^2", "mol/cell", "M", "molecule/um^2", "month", "relative", "nM free", "mL/s",
    "mm", "1/s", "per log10(umol/L)", "per g/L", "fraction of patients", "ALBI per liver fraction", "ng/cell/day", "um/h",
    "cell/uL", "um^2/s",
]  # fmt: skip
DIMENSIONLESS = [
    "1", "fold", "-", "fraction", "ln unit", "%", "1 (fraction)", "relative dose", "fraction of baseline", "SMD",
    "division", "clone", "target/CTL/day", "relative", "per log10(umol/L)", "fraction of patients",
    "ALBI per liver fraction",
]  # fmt: skip


@pytest.mark.parametrize("unit", TABLE_UNITS)
def test_every_unit_of_the_literature_table_parses_to_a_positive_size(unit):
    assert 0 < q.factor(unit) < math.inf


@pytest.mark.parametrize("unit", [u for u in DIMENSIONLESS if u != "target/CTL/day"])
def test_logs_exponents_scores_and_shares_have_no_dimension(unit):
    assert q.is_dimensionless(unit)


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("15 mg/kg", 1.5e-5, (0, 0, 0, 0, 0, 0)),
        ("200 mg/m^2", 2e-4, (0, -2, 1, 0, 0, 0)),
        ("3 weeks", 21.0, (1, 0, 0, 0, 0, 0)),
        ("1 month", 30.4375, (1, 0, 0, 0, 0, 0)),
        ("90 min", 0.0625, (1, 0, 0, 0, 0, 0)),
        ("1/day", 1.0, (-1, 0, 0, 0, 0, 0)),
        ("0.02/day", 0.02, (-1, 0, 0, 0, 0, 0)),
        ("2e-9 m^2/s", 2e-9 * 1e6 * 86400, (-1, 2, 0, 0, 0, 0)),
        ("1 nM", 1e-6, (0, -3, 0, 1, 0, 0)),
        ("1 U/L", 1.44, (-1, -3, 0, 1, 0, 0)),
        ("1 cell/uL", 1.0, (0, -3, 0, 0, 0, 1)),
        ("8 mmHg/s", 8 * 86400.0, (-1, 0, 0, 0, 1, 0)),
        ("5 µm", 0.005, (0, 1, 0, 0, 0, 0)),
        ("50 %", 0.5, (0, 0, 0, 0, 0, 0)),
        ("0.5", 0.5, (0, 0, 0, 0, 0, 0)),
        ("1 nmol/s/1e6 cells", 86400 / 1e6, (-1, 0, 0, 1, 0, -1)),
    ],
)
def test_known_conversions(text, value, dimension):
    quantity = q.parse_quantity(text)
    assert quantity.internal == pytest.approx(value, rel=1e-15)
    assert q.dimensions(quantity.unit) == dimension


def test_sizes_and_dimensions_equal_pints_own():
    import pint

    ureg = pint.UnitRegistry()
    ureg.define("cell = [cell]")
    ureg.define("oxygen_pressure = [oxygen]")
    base = {"[time]": "day", "[length]": "mm", "[mass]": "mg", "[substance]": "nmol", "[cell]": "cell"}
    own = {"month": 30.4375, "months": 30.4375}  # by definition, not by calendar
    checked = 0
    for name, (numerator, denominator, dimension) in q._atoms().items():
        if dimension == (0, 0, 0, 0, 0, 0) or dimension[5] or "molecule" in name or "receptor" in name:
            continue
        size = numerator / denominator
        spelled = {"M": "molar", "U": "enzyme_unit"}
        for unit, long in spelled.items():
            if name.endswith(unit) and len(name) <= 2:
                name = {"": "", "m": "milli", "u": "micro", "n": "nano", "p": "pico", "f": "femto", "k": "kilo"}[
                    name[:-1]
                ] + long
        if name in own:
            assert size == own[name]
            continue
        quantity = ureg.Quantity(1, name)
        if dimension == (0, 0, 0, 0, 1, 0):
            assert quantity.to("mmHg").magnitude == pytest.approx(size, rel=1e-7), name
        else:
            dims = dict(quantity.dimensionality)
            assert tuple(dims.get(d, 0) for d in base) == (dimension[0], *dimension[1:4], dimension[5]), name
            target = " * ".join(f"{base[d]}**{e}" for d, e in dims.items())
            assert quantity.to(target).magnitude == pytest.approx(size, rel=1e-13), name
        checked += 1
    assert checked > 60


def test_a_molecule_is_an_amount():
    assert q.convert(1.0, "mol", "molecule") == pytest.approx(6.02214076e23, rel=1e-15)


@pytest.mark.parametrize("text", ["1 gallon", "2 inch", "1 atm", "760 torr", "1 stone"])
def test_other_units_come_from_pint(text):
    import pint

    ureg = pint.UnitRegistry()
    quantity = q.parse_quantity(text)
    target = {"gallon": "mm**3", "inch": "mm", "atm": "mmHg", "torr": "mmHg", "stone": "mg"}[quantity.unit]
    want = ureg.Quantity(quantity.value, quantity.unit).to(target).magnitude
    assert quantity.internal == pytest.approx(want, rel=1e-6)


def test_common_units_do_not_import_pint():
    code = (
        "import sys; from tme_sim.quantities import parse_quantity, to_display\n"
        "parse_quantity('15 mg/kg').internal; to_display(1.0, 'cell/mm^3')\n"
        "print(any(m in sys.modules for m in ('pint', 'numpy', 'scipy', 'numba')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("9**9**9**9 mg", "written ^ and not"),
        ("1 " + "(" * 40, "is not a unit"),
        ("1 " + "m*" * 100 + "m", "at most 64 characters"),
        ("mg", "does not start with a number"),
        ("", "does not start with a number"),
        ("nan", "does not start with a number"),
        ("inf mg", "does not start with a number"),
        ("1e999 mg", "not a finite number"),
        ("1e308 kg", "too large a number"),
        ("5 dayz", 'did you mean "day"'),
        ("5 mg/", "is not a unit"),
        ("5/", "ends with a slash"),
        ("5 mg//kg", "is not a unit"),
        ("5 mg/kg^99", "is not a unit"),
        ("3 degC", "so nothing here can have it"),
        ("3 pi", "is not known"),
        ("5 __import__", "is not a unit"),
        ("٣ mg", "does not start with a number"),
        ("1 m^9*m^9", "power above"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(text, says):
    with pytest.raises(QuantityError) as caught:
        q.parse_quantity(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=80))
@settings(max_examples=500, deadline=None)
def test_any_text_gives_a_quantity_or_a_message(text):
    start = time.perf_counter()
    try:
        quantity = q.parse_quantity(text)
    except QuantityError as error:
        assert len(str(error)) < 400
    else:
        assert math.isfinite(quantity.internal)
    assert time.perf_counter() - start < 2.0


@given(st.text(alphabet="0123456789.eE+-*/^ mgkLdayu%()", max_size=70))
@settings(max_examples=500, deadline=None)
def test_near_misses_of_the_grammar_never_raise_anything_else(text):
    try:
        q.parse_quantity(text)
    except QuantityError as error:
        assert str(error)


@given(
    st.floats(1e-12, 1e12),
    st.sampled_from(["mg/kg", "h", "week", "month", "nM", "cell/mL", "ug/mL", "mmHg/s", "molecule/um^2", "%"]),
)
@settings(max_examples=300, deadline=None)
def test_to_display_undoes_internal(value, unit):
    assert q.to_display(q.internal(value, unit), unit) == pytest.approx(value, rel=4e-16)


def test_arrays_convert_elementwise():
    np = pytest.importorskip("numpy")
    values = np.array([1.0, 2.0, 24.0])
    assert q.internal(values, "h").tolist() == [1 / 24, 2 / 24, 1.0]
    assert q.convert(values, "h", "min").tolist() == [60.0, 120.0, 1440.0]


def test_conversion_across_dimensions_is_refused_in_words():
    with pytest.raises(QuantityError, match=r"mg \(mass\) to mL \(volume\)"):
        q.convert(1.0, "mg", "mL")


@pytest.mark.parametrize(
    ("value", "unit", "says"),
    [
        (5, "day", 'write "5 day"'),
        ("5", "day", 'write "5 day"'),
        ("5 mg", "day", "is a mass, but value is a time"),
        ("5 mg/kg", "mg", "is a ratio, but value is a mass"),
        ("5 mg", "1", "write it in plain numbers"),
        (float("nan"), "1", "finite"),
        (10**400, "1", "finite"),
        (True, "1", "not bool"),
        (None, "day", "not NoneType"),
    ],
)
def test_a_bare_number_only_for_what_has_no_dimension(value, unit, says):
    with pytest.raises(QuantityError) as caught:
        q.parse_number_or_quantity(value, unit)
    assert says in str(caught.value)


def test_numbers_and_quantities_are_kept_as_typed():
    assert q.parse_number_or_quantity(0.5, "1") == Quantity(0.5, "1")
    assert q.parse_number_or_quantity("200 ug", "mg") == Quantity(200.0, "ug")


@pytest.mark.parametrize("unit", ["cell/mm^3", "1/day", "mmHg/s", "pg/mL", "umol/L", "1", "mm^3/cell/day"])
def test_base_units_are_the_internal_ones(unit):
    assert q.convert(1.0, unit, q.base_unit(unit)) == pytest.approx(q.parse_unit(unit).factor)
    assert q.parse_unit(q.base_unit(unit)).factor == 1.0


def test_the_pint_registry_for_laws_has_our_base_units():
    ureg = q.registry()
    for unit in ("mg/L", "nM", "mmHg/s", "cell/uL", "um^2/s", "U/L", "molecule/cell"):
        expression = unit.replace("^", "**")
        assert ureg.Quantity(1, expression).to_base_units().magnitude == pytest.approx(q.factor(unit), rel=1e-12)
    assert not ureg.Quantity(1, "mmHg").check("[mass]/[length]/[time]**2")


def test_pretty_units_for_figures():
    assert [q.pretty(u) for u in ("cell/mm^3", "um^2/s", "1", "ug/mL", "1/day")] == [
        "cell/mm³", "µm²/s", "", "µg/mL", "1/day",
    ]  # fmt: skip


def _parameter(**changes):
    given = {"name": "k", "value": 2.0, "unit": "1/h", "source": "doi:10/x", "grade": "low", "low": 1.0, "high": 3.0}
    return Parameter(**(given | changes))


def test_a_parameter_knows_its_internal_values():
    p = _parameter()
    assert (p.low_internal, p.internal, p.high_internal) == (24.0, 48.0, 72.0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": math.nan}, "value must be a finite number"),
        ({"high": math.inf}, "high must be a finite number"),
        ({"value": 5.0}, "outside its range"),
        ({"grade": "certain"}, "is not one of assumed, low, medium, high"),
        ({"source": "  "}, "a source is missing"),
        ({"unit": "1/hourz"}, "is not known"),
    ],
)
def test_a_parameter_without_sense_source_or_grade_is_refused(changes, says):
    with pytest.raises(QuantityError, match='parameter "k"') as caught:
        _parameter(**changes)
    assert says in str(caught.value)


def test_physical_bounds():
    assert _parameter().physical == (0.0, math.inf)
    assert _parameter(low=-1.0).physical == (-math.inf, math.inf)
    assert _parameter(unit="1", value=0.5, low=0.1, high=1.0).physical == (0.0, 1.0)
    assert _parameter(unit="1", value=0.5, low=0.1, high=1.0, maximum=4.0).physical == (0.0, 4.0)


def test_grades_run_weakest_first():
    assert q.GRADES == ("assumed", "low", "medium", "high")


def test_what_is_named_a_share_is_at_most_one():
    def highest(name, high=0.6):
        return Parameter(name, 0.5, "1", "made up", "assumed", 0.2, high).physical[1]

    assert highest("mature_share") == highest("vegf_share_tam") == 1.0
    assert highest("fold") == highest("shared_fold") == math.inf
    assert highest("share_ratio", 3.0) == math.inf  # its evidence says that it is no share of a whole
