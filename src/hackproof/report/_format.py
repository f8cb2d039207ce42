"""How the report writes numbers and strings: three digits, real minus signs, escaped text."""

from __future__ import annotations

import html
import math
import re
from typing import Any

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
_URL = re.compile(r"https?://[^\s<>\"'`]+[^\s<>\"'`.,;:)\]]")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def escape(value: Any) -> str:
    """Return any value as HTML text that is also safe inside a quoted attribute."""
    return html.escape(str(value), quote=True)


def linked(value: Any) -> str:
    """Return escaped text in which http and https addresses are links."""
    text, parts, at = str(value), [], 0
    for match in _URL.finditer(text):
        url = escape(match.group())
        parts += [escape(text[at : match.start()]), f'<a href="{url}">{url}</a>']
        at = match.end()
    return "".join(parts) + escape(text[at:])


def number(value: float | None, *, signed: bool = False) -> str:
    """Return a number with three significant digits, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = _written(value, _decimals(abs(value)), signed)
    return text.rstrip("0").rstrip(".") if "." in text and TIMES not in text else text


def interval(
    estimate: float | None, low: float | None, high: float | None, *, signed: bool = False
) -> str:
    """Return `estimate [low, high]` with as many decimals as the interval can carry."""
    if estimate is None or not math.isfinite(estimate):
        return NONE
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return number(estimate, signed=signed)
    largest = max(abs(estimate), abs(low), abs(high))
    decimals = _decimals(largest)
    if high - low > 1e-6 * largest:
        decimals = min(max(decimals, 1 - math.floor(math.log10(high - low))), decimals + 2)
    parts = [_written(v, decimals, signed, largest) for v in (estimate, low, high)]
    return f"{parts[0]} [{parts[1]}, {parts[2]}]"


def count(n: int, one: str, many: str | None = None) -> str:
    """Return `1 seed`, `1,200 seeds`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """Return a time span in the unit a reader would use."""
    if seconds is None:
        return NONE
    if seconds < 120:
        return f"{number(seconds)} s"
    if seconds < 7200:
        return f"{number(seconds / 60)} min"
    return f"{number(seconds / 3600)} h"


def unit(text: str | None) -> str:
    """Return a unit as it is written behind a number; nothing for a pure number."""
    return "" if text in (None, "", "1") else f" {text}"


def _decimals(magnitude: float) -> int:
    return 2 if magnitude == 0 else max(0, 2 - math.floor(math.log10(magnitude)))


def _written(value: float, decimals: int, signed: bool, scale: float | None = None) -> str:
    """Write one number; powers of ten where the decimals would hide it."""
    scale = abs(value) if scale is None else scale
    if value == 0 and scale == 0:
        return "0"
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    if scale >= 1e9 or (0 < scale < 1e-3):
        power = math.floor(math.log10(scale))
        return f"{sign}{abs(value) / 10**power:.2f}{TIMES}10{str(power).translate(_SUPERSCRIPT)}"
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        sign = ""
    return sign + text
