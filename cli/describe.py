"""Formats and scores in a few words."""

import re

from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary


__all__ = ["describe", "note", "percent"]


def describe(form):
    """A format in a word or two; ``fixed(8, 5)`` has 8 bits, 5 of them fraction."""
    if isinstance(form, Fixed):
        return f"{'' if form.signed else 'unsigned '}fixed({form.width}, {form.frac})"
    if isinstance(form, Ternary):
        return "ternary"
    if isinstance(form, Binary):
        return "binary"
    if isinstance(form, Planes):
        return f"planes{form.coefficients}"
    if isinstance(form, Online):
        return f"online planes({form.planes})"
    raise TypeError(f"Format must be one of the model's, not {form!r}")


def percent(share):
    """A share as every verb shows it."""
    return f"{100 * share:.2f} %"


def note(name, text):
    """A network's note as people read it: the shares of an accuracy in percent."""
    if not name.endswith(" accuracy"):
        return text
    return re.sub(r"\b[01]\.\d{4}\b", lambda match: percent(float(match[0])), text)
