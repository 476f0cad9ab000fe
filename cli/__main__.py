"""``python -m ternloom.cli``."""

import sys

from ternloom.cli.script import main


__all__ = []


sys.exit(main())
