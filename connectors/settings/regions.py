"""The regions of Nexthink's cloud, by code and by name."""

import re

REGIONS = {
    "us": "United States",
    "eu": "European Union",
    "pac": "Asia-Pacific",
    "meta": "Middle East, Turkey and Africa",
}


def region_code(region: str) -> str | None:
    """Return the code of a region given by code or name, in any case; None if there is none."""
    wanted = _words(region)
    return next(
        (code for code, name in REGIONS.items() if wanted in (_words(code), _words(name))), None
    )


def _words(text: str) -> list[str]:
    """Return the words of a name: a comma, a hyphen or an `and` does not tell two regions apart."""
    return [word for word in re.findall(r"[^\W_]+", text.lower()) if word != "and"]
