"""``python -m ternloom.cli``."""

import sys

from ternloom.cli.main import main


__all__ = []


sys.exit(main())
