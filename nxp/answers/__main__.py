"""Print docs/connector.md: `python -m nxp.answers > docs/connector.md`."""

import sys

from nxp.answers.page import page

sys.stdout.write(page())
