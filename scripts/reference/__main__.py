"""Print a page of docs/reference, or write all: `python -m scripts.reference [PAGE]`."""

import sys

from scripts.reference import FOLDER, PAGES

if names := sys.argv[1:]:
    sys.stdout.write(PAGES[names[0]]())
else:
    for name, page in PAGES.items():
        (FOLDER / f"{name}.md").write_text(page(), "utf-8")
