"""Windows without rows that stand out among their neighbours."""

from collections.abc import Sequence

from connectors.ledger import UnitRecord

# A window without rows stands out if its neighbours have as many.
THOUSANDS = 1_000
NEIGHBOURS = 2


def conspicuous(records: Sequence[UnitRecord]) -> list[UnitRecord]:
    """Return landed windows without rows whose nearest neighbours with rows have thousands."""
    landed = [record for record in records if record.landed_at and record.rows_landed is not None]
    filled = [place for place, record in enumerate(landed) if record.rows_landed]
    found, after = [], 0
    for place, record in enumerate(landed):
        while after < len(filled) and filled[after] <= place:
            after += 1
        if record.rows_landed:
            continue
        near = filled[max(0, after - NEIGHBOURS) : after + NEIGHBOURS]
        if near and _median([landed[one].rows_landed or 0 for one in near]) >= THOUSANDS:
            found.append(record)
    return found


def _median(counts: list[int]) -> float:
    # The module statistics would load a dozen others, for each listing of datasets.
    counts, middle = sorted(counts), len(counts) // 2
    return counts[middle] if len(counts) % 2 else (counts[middle - 1] + counts[middle]) / 2
