"""What a sync's run met in the tenant, in words: values of others, and what did not show yet."""

from collections.abc import Mapping
from typing import Any

from tasks.sync.conflicts import Verdict

_MET = {
    Verdict.THEIRS: "were set by others since the plan was made, and are left alone",
    Verdict.SAME: "were set by others as they are wanted",
    Verdict.NOT_SHOWN: "do not show yet what was sent",
    Verdict.NOT_SEEN: "could not be read, so they are left as they are",
    Verdict.DONE: "are empty already",
}


def in_words(report: Mapping[str, Any]) -> list[str]:
    """Return a line for each thing that the tenant was seen to hold and that changed the run."""
    counts = (report["planned"] or {}).get("counts") or {}
    said = {
        "theirs": "values of others differ and are left alone",
        "same": "values were set by others as they are wanted; they are never emptied",
        "not_shown": "values do not show yet what was sent; they wait for a later run",
        "not_seen": "values could not be read, so they are left as they are",
    }
    lines = [f"{counts[name]:,} {words}" for name, words in said.items() if counts.get(name)]
    met = report["met"]
    lines += [f"{met[each]:,} values {words}" for each, words in _MET.items() if met.get(each)]
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
