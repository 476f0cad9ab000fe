"""Scores in a few words."""

import re

__all__ = ["note", "percent"]


def percent(share):
    """A share as every verb shows it."""
    return f"{100 * share:.2f} %"


def note(name, text):
    """A network's note as people read it: the shares of an accuracy in percent."""
    if not name.endswith(" accuracy"):
        return text
    return re.sub(r"\b[01]\.\d{4}\b", lambda match: percent(float(match[0])), text)
