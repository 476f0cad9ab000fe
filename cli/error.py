"""Mistakes of a user: what ends a verb with one line and exit status 2."""

import errno


__all__ = ["INTERRUPTED", "MISTAKEN", "UserError", "message"]

#: Exit status of a mistake.
MISTAKEN = 2

#: Exit status after Ctrl-C, 128 and the number of SIGINT as shells have it.
INTERRUPTED = 130

#: Errors of the other areas that say what the user should change. Named rather than imported: an
#: error whose module isn't loaded cannot have been raised, and ``--help`` stays fast.
_MISTAKES = {
    ("ternloom.cli.error", "UserError"),
    ("ternloom.model.network", "NetworkError"),
    ("ternloom.model.dataset", "DatasetError"),
    ("ternloom.model.folding", "FoldingError"),
    ("ternloom.model.text", "TextError"),
    ("ternloom.sim.tools", "ToolNotFound"),
    ("ternloom.sim.tools", "SimulationError"),
    ("ternloom.boards.error", "BoardError"),
    ("ternloom.train.recipe", "RecipeError"),
}


#: What a full disk needs.
_MEND = ", so nothing was written; make room for the output and for temporary files (TMPDIR)"


class UserError(Exception):
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
    kinds = {(kind.__module__, kind.__qualname__) for kind in type(error).__mro__}
    if kinds & _MISTAKES:
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None:
        place = "" if error.filename is None else f"{error.filename}: "
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"{place}{error.strerror}{_MEND if full else ''}"
    return None
