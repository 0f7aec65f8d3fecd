"""What a sync's run met in the tenant, in words: values of others, and what did not show yet."""

from collections.abc import Mapping
from typing import Any

from connectors.counting import number_doing
from tasks.sync.conflicts import FieldVerdict

_MET = {
    FieldVerdict.THEIRS: ("was", "were", " set by others since the plan was made, and left alone"),
    FieldVerdict.SAME: ("was", "were", " set by others as wanted"),
    FieldVerdict.NOT_SHOWN: ("does", "do", " not show yet what was sent"),
    FieldVerdict.NOT_SEEN: ("is", "are", " left unchanged, since nobody could read what is there"),
    FieldVerdict.DONE: ("is", "are", " empty already"),
}


def in_words(report: Mapping[str, Any]) -> list[str]:
    """Return a line for each thing that the tenant was seen to hold and that changed the run."""
    counts = (report["planned"] or {}).get("counts") or {}
    said = {
        "theirs": ("of others differs and is", "of others differ and are", " left alone"),
        "same": ("was", "were", " set by others as wanted, and never emptied"),
        "not_shown": ("does", "do", " not show yet what was sent; a later run looks again"),
        "not_seen": ("is", "are", " left unchanged, since nobody could read what is there"),
    }
    lines = _lines(counts, said) + _lines(report["met"], _MET)
    read = report["read_first"]
    if read and read["compared"]:
        lines.append(
            f"read before sending: of {read['compared']:,} acknowledged values {read['theirs']:,} "
            f"were set by others since, {read['differs']:,} differ, {read['not_found']:,} are not "
            f"found, {read['not_shown']:,} do not show yet"
        )
    if report["read_later"]:
        lines.append(f"read back by the next run: {report['read_later']}")
    return lines


def _lines(counts: Mapping[Any, int], said: Mapping[Any, tuple[str, str, str]]) -> list[str]:
    """Return how many values are what, one line for each that there is."""
    return [
        number_doing(counts[each], "value", one, more) + rest
        for each, (one, more, rest) in said.items()
        if counts.get(each)
    ]
