"""Mistakes of a user: what ends a verb with one line and exit status 2."""

import errno

from ternloom.model.mistake import Mistake


__all__ = ["INTERRUPTED", "MISTAKEN", "UserError", "message"]

#: Exit status of a mistake.
MISTAKEN = 2

#: Exit status after Ctrl-C, 128 and the number of SIGINT as shells have it.
INTERRUPTED = 130

#: What a full disk needs.
_MEND = "; nothing was written: free some space for the output and for temporary files (TMPDIR)"


class UserError(Mistake):
    """A mistake that the command line itself finds."""


def message(error):
    """The line that tells the user, or None where the fault is ours and a traceback is due.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str or None
    """
    if isinstance(error, Mistake):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None:
        place = "" if error.filename is None else f"{error.filename}: "
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"{place}{error.strerror}{_MEND if full else ''}"
    return None
