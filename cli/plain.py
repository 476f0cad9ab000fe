"""Text of a user's on its way to a terminal."""

__all__ = ["plain"]


def plain(text):
    """A text of one line in which every character can be seen.

    Names, classes and notes are whatever somebody wrote into a file. What would move the cursor,
    colour the screen, turn the direction of writing or break the line is written as Python
    escapes it, such as ``\\x1b`` and ``\\u202e``.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode()
                   for each in str(text))
