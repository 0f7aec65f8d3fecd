"""Names in the code: each public class of the product means one thing."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("connectors", "flows", "nql", "nxp", "sandbox", "tasks")
PUBLIC_CLASS = re.compile(r"^class ([A-Z]\w*)", re.MULTILINE)
# An answer of the command under the name that the client has for the same thing.
SAME = {"StartedExport"}


def test_no_two_modules_call_different_things_the_same() -> None:
    texts = [path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(texts) > 500
    named = Counter(name for text in texts for name in PUBLIC_CLASS.findall(text))
    assert {name for name, count in named.items() if count > 1} == SAME
