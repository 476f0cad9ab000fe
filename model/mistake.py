"""What every error that a user can mend derives from."""

__all__ = ["Mistake"]


class Mistake(Exception):
    """What a user gave cannot be used; the message is one line that says why."""
