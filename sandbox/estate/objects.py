"""The objects of the tenant as of a moment, with the values that enrichment has set."""

from collections.abc import Mapping
from datetime import datetime
from threading import Lock

import polars as pl

from nql.kinds import Kind
from nql.vocabulary.objects import NESTED, OBJECTS
from sandbox.estate.effects import BOOTED, restarted
from sandbox.estate.feed import Feed
from sandbox.estate.nested import as_lists, make_nested
from sandbox.estate.overlay import Overlay, OverlayValue
from sandbox.estate.presence import Presence
from sandbox.model.enumerations import ENUM_CODES
from sandbox.model.kinds import DATETIME, DTYPES

_LISTS = {f"device.{name}": name for name in NESTED}


class EstateObjects:
    """All objects, by the prefix of their columns."""

    def __init__(
        self,
        seed: int,
        frames: Mapping[str, pl.DataFrame],
        anchor: datetime,
        overlay: Overlay,
        feed: Feed,
        mac_address_field: str = "",
        presence: Presence | None = None,
    ) -> None:
        """Keep the frames; what changes with time is computed on demand."""
        self._seed = seed
        self._frames = dict(frames)
        self._anchor = anchor
        self._overlay = overlay
        self._feed = feed
        self._presence = presence or Presence()
        self._mac_address = f"device.{mac_address_field}"
        self._nested: dict[str, pl.DataFrame] = {}
        self._lists: dict[str, pl.Series] = {}
        self._lock = Lock()

    def nested(self, name: str) -> pl.DataFrame:
        """Return the rows of one list of the devices, generated on first use."""
        with self._lock:
            if name not in self._nested:
                self._nested[name] = make_nested(self._seed, name, self._frames["device"].height)
            return self._nested[name]

    def at(self, entity: str, now: datetime, columns: tuple[str, ...]) -> pl.DataFrame:
        """Return the objects of a kind, with those of the requested columns that they have."""
        frame = self._dated(entity, now)
        if BOOTED in columns and entity == "device":
            frame = restarted(frame, self._feed, now)
        wanted = [path for path in columns if path.startswith(f"{entity}.")]
        for path in wanted:
            if path in _LISTS:
                frame = frame.with_columns(self._list(_LISTS[path]).alias(path))
            elif path == self._mac_address:
                frame = frame.with_columns(_mac_address().alias(path))
            elif path not in frame.columns:
                # A custom field: it is null until somebody sets a value.
                frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(path))
            if entity in ("device", "user", "binary", "package"):
                frame = self._laid_over(frame, entity, path)
        return frame

    def _list(self, name: str) -> pl.Series:
        rows = self.nested(name)
        with self._lock:
            if name not in self._lists:
                self._lists[name] = as_lists(rows, self._frames["device"].height)
            return self._lists[name]

    def _dated(self, entity: str, now: datetime) -> pl.DataFrame:
        """Return the objects with the fields that depend on the moment."""
        frame = self._frames[entity]
        if f"{entity}.last_seen" not in {f"{entity}.{name}" for name in OBJECTS[entity]}:
            return frame
        # An active object was seen within the last five minutes, as its collector reports often.
        latest = _literal(now).dt.truncate("5m")
        if entity == "device":
            last = pl.coalesce("device.stale_since", latest)
            if woken := self._presence.woken(now):
                reported = pl.col("device.uid").replace_strict(
                    dict(woken), default=None, return_dtype=DATETIME
                )
                last = pl.max_horizontal(last, reported)
        else:
            days = pl.col(f"{entity}.stale_days")
            stale = _literal(self._anchor) - pl.duration(days=days)
            last = pl.when(days > 0).then(stale).otherwise(latest)
        frame = frame.with_columns(last.cast(DATETIME).alias(f"{entity}.last_seen"))
        if "days_since_last_seen" not in OBJECTS[entity]:
            return frame
        since = (_literal(now) - pl.col(f"{entity}.last_seen")).dt.total_days()
        return frame.with_columns(since.alias(f"{entity}.days_since_last_seen"))

    def _laid_over(self, frame: pl.DataFrame, entity: str, path: str) -> pl.DataFrame:
        """Return the frame with the values set by enrichment; other objects keep their own."""
        field = path.removeprefix(f"{entity}.")
        # A copy: another request may set values while this one reads.
        values = dict(self._overlay.values(entity, field))
        if not values:
            return frame
        kind = OBJECTS[entity].get(field, Kind.STRING)
        over = pl.DataFrame({"#uid": list(values), "#value": _typed(values, path, kind)})
        over = over.with_columns(pl.lit(value=True).alias("#set"))
        key = f"{entity}.uid"
        joined = frame.join(over, left_on=key, right_on="#uid", how="left", maintain_order="left")
        chosen = pl.when(pl.col("#set").fill_null(value=False)).then("#value").otherwise(path)
        return joined.with_columns(chosen.alias(path)).drop("#value", "#set")


def _mac_address() -> pl.Expr:
    digits = pl.col("device.uid").str.replace_all("-", "").str.to_uppercase()
    return pl.concat_str([digits.str.slice(n, 2) for n in range(0, 12, 2)], separator=":")


def _typed(values: Mapping[str, OverlayValue], path: str, kind: Kind) -> pl.Series:
    """Return the values as the column holds them: enumeration codes become their names."""
    series = pl.Series(list(values.values()), strict=False)
    if path in ENUM_CODES and series.dtype.is_integer():
        words = pl.Series(ENUM_CODES[path], dtype=pl.String)
        return words.gather(series.fill_null(0).clip(0, len(words) - 1))
    if kind is Kind.DATETIME and series.dtype == pl.String:
        return series.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    return series.cast(DTYPES[kind], strict=False)


def _literal(instant: datetime) -> pl.Expr:
    return pl.lit(instant, dtype=DATETIME)
