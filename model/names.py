"""Names that are printed: text without control characters."""

import collections.abc
import re


__all__ = ["check_names", "check_notes"]


#: C0 and C1 controls, line and paragraph separators, and halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: Characters that a message shows on either side of one.
_AROUND = 30


def check_names(what: str, names: collections.abc.Iterable[str], error: type[Exception],
                allowed: str = "") -> None:
    """Raise unless each of some names is text that can be printed as it is.

    Escape sequences would act on whose terminal shows them, and a line break makes two lines of
    one.

    Parameters
    ----------
    what : str
        What they are, for the message, which shows the name escaped.
    names : iterable of str
    error : type
        Exception that is raised.
    allowed : str
        Control characters that may be there.
    """
    for name in names:
        if not isinstance(name, str):
            raise error(f"{what} must be text, not {name!r}")
        for found in _CONTROL.finditer(name):
            if found[0] not in allowed:
                shown = name[max(found.start() - _AROUND, 0):found.end() + _AROUND]
                raise error(f"{what} must not contain control characters, as {shown!r} does")


def check_notes(name: str, labels: collections.abc.Iterable[str],
                notes: collections.abc.Mapping[str, str], error: type[Exception],
                what: str = "labels") -> None:
    """Raise unless name, labels and notes are text that can be printed; notes may have lines.

    Parameters
    ----------
    name : str
    labels : iterable of str
    notes : mapping of str to str
    error : type
        Exception that is raised.
    what : str
        What the labels are called.
    """
    check_names("name", (name,), error)
    check_names(what, labels, error)
    check_names("names of notes", notes, error)
    check_names("notes", notes.values(), error, allowed="\n\t")
