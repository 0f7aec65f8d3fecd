"""Print docs/library.md: `python -m nxp.library > docs/library.md`."""

import sys

from nxp.library.page import page

sys.stdout.write(page())
