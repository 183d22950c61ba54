"""Units of measurement: from the words behind a number to a `Unit`, and conversions.

Takes words such as `km/h`, `square cm`, `cm^2`, `dollars`; gives a unit, or None where the words name none (`apples`).
Does not depend on the number or on any response.
"""

from __future__ import annotations

import functools
import re
from fractions import Fraction

from restem.verifiers.algebra.nodes import Unit

_BASES: dict[str, dict[str, str | Fraction | int]] = {
    "time": {
        "s sec secs second seconds": 1,
        "min mins minute minutes": 60,
        "h hr hrs hour hours": 3600,
        "day days": 86_400,
        "week weeks wk wks": 604_800,
        "ms millisecond milliseconds": Fraction(1, 1000),
    },
    "months": {"month months": 1, "year years yr yrs": 12, "decade decades": 120, "century centuries": 1200},
    "length": {
        "mm millimeter millimeters millimetre millimetres": Fraction(1, 1000),
        "cm centimeter centimeters centimetre centimetres": Fraction(1, 100),
        "dm decimeter decimeters decimetre decimetres": Fraction(1, 10),
        "m meter meters metre metres": 1,
        "km kms kilometer kilometers kilometre kilometres": 1000,
        "in inch inches": Fraction(254, 10_000),
        "ft foot feet": Fraction(3048, 10_000),
        "yd yds yard yards": Fraction(9144, 10_000),
        "mi mile miles": Fraction(1_609_344, 1000),
    },
    "mass": {
        "mg milligram milligrams": Fraction(1, 1_000_000),
        "g gram grams gm": Fraction(1, 1000),
        "kg kgs kilogram kilograms kilo kilos": 1,
        "tonne tonnes": 1000,
        "oz ounce ounces": Fraction(45_359_237, 1_600_000_000),
        "lb lbs": Fraction(45_359_237, 100_000_000),
    },
    "pound": {"pound pounds": 1},  # of money or of mass
    "ton": {"ton tons": 1},
    "litre": {
        "ml milliliter milliliters millilitre millilitres mL": Fraction(1, 1000),
        "cl centiliter centiliters centilitre centilitres cL": Fraction(1, 100),
        "l liter liters litre litres L": 1,
    },
    "gallon": {"cup cups": 1, "pint pints pt": 2, "quart quarts qt": 4, "gallon gallons gal": 16},
    "dollar": {"$ dollar dollars usd buck bucks": 1, "cent cents \u00a2": Fraction(1, 100)},
    "euro": {"\u20ac euro euros eur": 1},
    "sterling": {"\u00a3 gbp": 1, "pence": Fraction(1, 100)},
    "rupee": {"\u20b9 rupee rupees rs inr": 1},
    "yen": {"\u00a5 yen jpy": 1},
    "yuan": {"yuan rmb": 1},
    "percent": {"% percent percentage pct": 1},
    "degree": {"degree degrees deg \u00b0": 1},
    "radian": {"radian radians rad": 1},
    "celsius": {"c celsius \u2103": 1},
    "fahrenheit": {"f fahrenheit \u2109": 1},
    "are": {"acre acres": 1},
    "hectare": {"hectare hectares ha": 1},
}
_UNITS = {
    word: (base, Fraction(factor))
    for base, units in _BASES.items()
    for words, factor in units.items()
    for word in words.split()
}
_TEMPERATURES = ("celsius", "fahrenheit")
# Words that name a unit only behind a number and never a variable; the single letters depend on the context.
UNIT_WORDS = frozenset(word for word in _UNITS if len(word) > 1 and word.isalpha())
UNIT_LETTERS = frozenset("mghsLl")
CURRENCIES = frozenset("$\u20ac\u00a3\u00a5\u20b9")
_WHOLE_UNITS: dict[str, str] = {
    "mph": "miles/hour",
    "kmh": "km/h",
    "kph": "km/h",
    "kmph": "km/h",
    "sq": "square",
    "cu": "cubic",
    "cc": "cubic cm",
}
_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|[/^*$%\u00b0\u00a2\u20ac\u00a3\u00a5\u20b9\u2103\u2109\u00b2\u00b3.-]")
_POWERS = {"square": 2, "squared": 2, "cubic": 3, "cubed": 3, "\u00b2": 2, "\u00b3": 3}
MAX_UNIT = 60


@functools.lru_cache(maxsize=1024)
def unit_of(text: str) -> Unit | None:
    """The unit that a text names, from its first words; None where it begins with another word."""
    if len(text) > MAX_UNIT:
        return None
    pieces = [piece for piece in _PIECE.findall(text) if piece not in ".-*"]
    pieces = [part for piece in pieces for part in _PIECE.findall(_WHOLE_UNITS.get(str(piece).lower(), str(piece)))]
    dimension: dict[str, int] = {}
    factor, sign, power = Fraction(1), 1, 1
    index = 0
    while index < len(pieces):
        piece = pieces[index]
        name = _name(piece)
        if piece in ("/", "per", "a", "an", "each", "every") and dimension:
            sign = -1
        elif piece.lower() in ("square", "cubic"):
            power = _POWERS[piece.lower()]
            if pieces[index + 1 : index + 2] in (["unit"], ["units"]):
                return None  # of whatever length the question measures in
        elif name is None:
            break
        else:
            base, scale = _UNITS[name]
            after = pieces[index + 1 : index + 3]
            if base == "degree" and after and (warm := _temperature(after[0])):
                base, scale = warm, Fraction(1)
                index += 1
            elif after[:1] == ["^"] and len(after) == 2 and after[1] in ("2", "3"):
                power, index = int(after[1]), index + 2
            elif after and (after[0] in _POWERS or (after[0] in ("2", "3") and base == "length")):
                power, index = _POWERS.get(after[0]) or int(after[0]), index + 1
            dimension[base] = dimension.get(base, 0) + sign * power
            factor *= scale ** (sign * power)
            sign, power = 1, 1
        index += 1
    if not dimension or (sign < 0 and index == 1):
        return None
    # A litre is a cubic decimetre.
    if "litre" in dimension:
        count = dimension.pop("litre")
        dimension["length"] = dimension.get("length", 0) + 3 * count
        factor *= Fraction(1, 1000) ** count
    return Unit(dimension=tuple(sorted((base, count) for base, count in dimension.items() if count)), factor=factor)


def _name(piece: str) -> str | None:
    if piece in _UNITS and piece not in "cf":
        return piece
    return piece.lower() if len(piece) > 1 and piece.lower() in _UNITS else None


def _temperature(piece: str) -> str | None:
    name = _UNITS.get(piece.lower(), ("", 0))[0]
    return name if name in _TEMPERATURES else None


PERCENT = Unit(dimension=(("percent", 1),), factor=Fraction(1))
DEGREE = Unit(dimension=(("degree", 1),), factor=Fraction(1))
CENT = Unit(dimension=(("dollar", 1),), factor=Fraction(1, 100))
