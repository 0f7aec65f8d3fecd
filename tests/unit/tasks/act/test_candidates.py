"""Names of devices and people are resolved, never guessed."""

import polars as pl

from tasks.act.candidates import CANDIDATES, resolved

NAMES = ("device.collector.uid", "device.uid", "device.name")


def objects() -> pl.DataFrame:
    rows = [("c1", "u1", "PC1"), ("c2", "u2", "PC2"), ("c3", "u3", "pc2"), (None, "u4", "PC4")]
    return pl.DataFrame(rows, dict.fromkeys(NAMES, pl.String), orient="row")


def reasons(*given: str | None) -> list[tuple[str | None, str | None]]:
    rows = pl.DataFrame([{"device": each} for each in given], schema=CANDIDATES)
    found = resolved(rows, "device", objects(), NAMES)
    return list(found.select("device", "reason").iter_rows())


def test_any_name_of_one_device_will_do() -> None:
    assert reasons("pc1", "U1", "C1") == [("c1", None)] * 3


def test_what_fits_nothing_or_several_is_left_out() -> None:
    assert reasons("PC2", "PC9", "pc4") == [
        (None, "ambiguous"),
        (None, "unknown"),
        (None, "no_identity"),
    ]


def test_an_id_that_is_anothers_name_is_ambiguous() -> None:
    rows = pl.DataFrame([{"device": "u1"}], schema=CANDIDATES)
    twisted = objects().with_columns(
        pl.when(pl.col("device.name") == "PC2")
        .then(pl.lit("u1"))
        .otherwise("device.name")
        .alias("device.name")
    )
    found = resolved(rows, "device", twisted, NAMES)
    assert found["reason"].to_list() == ["ambiguous"]


def test_who_is_not_named_stays_as_they_are() -> None:
    rows = pl.DataFrame([{"device": None, "person": "S-1"}], schema=CANDIDATES)
    assert resolved(rows, "device", objects(), NAMES)["reason"].to_list() == [None]
