"""Outcomes and reasons of failures, counted without what may be personal data."""

import re
from typing import Final

import polars as pl

from connectors.ledger.action_requests import RequestState

NOT_YET: Final = "not_yet"
FAILURES: Final = frozenset({"failure", "failed"})
_REASONS_TOLD: Final = 20
_LONGEST_REASON: Final = 80
# Paths, addresses, names, quoted texts and numbers may be people's data, and split one reason.
_CAPITAL: Final = r"[A-ZÀ-ÖØ-Þ][^\W\d_]+"
_PRIVATE: Final = re.compile(
    rf"""("[^"]*"|'[^']*'|\S*[\\/@]\S*|\S*\d\S*|\w\S*\.\w\S*|{_CAPITAL}(?:[ ,]+{_CAPITAL})+)"""
)


def outcomes_of(rows: pl.DataFrame) -> dict[str, int]:
    """Count the accepted targets by the status that the tenant showed last."""
    shown = accepted(rows).select(pl.col("status").fill_null(NOT_YET))
    return dict(shown.group_by("status").len().sort("status").iter_rows())


def reasons_of(rows: pl.DataFrame) -> dict[str, int]:
    """Count failures by reason, the most frequent first, without what may be personal data."""
    failed = accepted(rows).filter(pl.col("status").is_in(list(FAILURES)))
    reasons = failed.select(
        pl.col("details").fill_null("").map_elements(plain_reason, return_dtype=pl.String)
    )
    counted = reasons.group_by("details").len().sort("len", "details", descending=[True, False])
    return dict(counted.head(_REASONS_TOLD).iter_rows())


def plain_reason(details: str) -> str:
    """Return a script's own words without what may be personal data."""
    words = " ".join(_PRIVATE.sub("…", details).split())
    return words[:_LONGEST_REASON] or "no reason given"


def accepted(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the targets whose request the tenant accepted, and that its answer did not refuse."""
    return rows.filter(pl.col("state") == RequestState.REQUESTED.value, pl.col("code").is_null())
