"""The targets of an action: named by a person, or found by a saved query.

Names and uids are resolved here: remote actions take the collector's id, which is not the
device's uid. Nothing is guessed: a name that fits no object or several is left out with the reason.
"""

from typing import Final

import polars as pl

from connectors.actions.columns import DEVICE, PERSON, target_column
from connectors.errors import UsageError
from tasks.act.asked import ActionAsked
from tasks.act.run import ActionRun, ask
from tasks.act.target_files import read_pairs
from tasks.exports.saved_query import require_columns

# The columns of candidates; `reason` is why one is left out, null as long as it is not.
CANDIDATES: Final = {
    "device": pl.String,
    "person": pl.String,
    "name": pl.String,
    "platform": pl.String,
    "entity": pl.String,
    "reason": pl.String,
}
UNKNOWN: Final = "unknown"
AMBIGUOUS: Final = "ambiguous"
NO_IDENTITY: Final = "no_identity"

DEVICES: Final = "#action_devices"
USERS: Final = "#action_users"
_NAME: Final = "device.name"
_ENTITY: Final = "device.entity"
_PLATFORM: Final = "device.operating_system.platform"
# By which a person may name a device or a user; the API takes the first.
_DEVICE_NAMES: Final = (DEVICE, "device.uid", _NAME)
_USER_NAMES: Final = (PERSON, "user.uid", "user.upn")


def find_candidates(
    run: ActionRun, asked: ActionAsked, *, devices: bool, people: bool
) -> pl.DataFrame:
    """Return the candidates of an action on devices, people or both, as rows of CANDIDATES.

    Raises:
        UsageError: targets have to be named and are not, or the other way round.
        PipelineError: as the exports.
    """
    targets = run.specification.targets
    if targets.are_named:
        return _named(run, asked, devices=devices, people=people)
    if asked.names_targets:
        raise UsageError(
            f"{run.action} finds its targets itself: leave devices and targets_file out, or use an "
            "action without targets in its YAML"
        )
    return queried(run)


def queried(run: ActionRun) -> pl.DataFrame:
    """Return the candidates that the query of the targets finds."""
    targets = run.specification.targets
    if targets.query_id is None:
        raise AssertionError("only for actions with a query")
    found = ask(run, "targets", targets.query_id, dict(targets.parameters))
    require_columns(found, (target_column(run.specification.kind),), targets.query_id)
    return _candidates(found)


def _named(run: ActionRun, asked: ActionAsked, *, devices: bool, people: bool) -> pl.DataFrame:
    pairs = _pairs(run, asked, devices=devices, people=people)
    if not pairs:
        if devices or people:
            raise UsageError(f"{run.action} has no targets: name them in devices or targets_file")
        # A workflow without a device or a person is executed once.
        return pl.DataFrame({"device": [None]}, CANDIDATES)
    wanted = pl.DataFrame(pairs, {"device": pl.String, "person": pl.String}, orient="row")
    rows = wanted.with_columns(
        pl.col("device", "person").replace("", None).str.strip_chars(),
        name=pl.lit(None, pl.String),
        platform=pl.lit(None, pl.String),
        entity=pl.lit(None, pl.String),
        reason=pl.lit(None, pl.String),
    )
    if devices:
        rows = resolved(rows, "device", ask(run, "devices", DEVICES), _DEVICE_NAMES)
    if people:
        rows = resolved(rows, "person", ask(run, "users", USERS), _USER_NAMES)
    return rows.select(*CANDIDATES)


def _pairs(
    run: ActionRun, asked: ActionAsked, *, devices: bool, people: bool
) -> list[tuple[str, str]]:
    given = [(name, "") for name in asked.devices]
    if asked.file:
        given = read_pairs(asked.file)
    if given and not devices and not people:
        raise UsageError(f"{run.action} is not about devices or people: name no targets")
    if asked.devices and not devices:
        raise UsageError(f"{run.action} is about people: name them in a file (targets_file)")
    if devices and people:
        return given
    # Only the first field of each line counts, be it a device or a person.
    return [(first, "") if devices else ("", first) for first, _ in given]


def resolved(
    rows: pl.DataFrame, column: str, objects: pl.DataFrame, names: tuple[str, ...]
) -> pl.DataFrame:
    """Replace each name that fits exactly one object by that object's identity."""
    require_columns(objects, names, DEVICES if column == "device" else USERS)
    found = _candidates(objects).with_row_index("object")
    spelled = pl.concat(
        [
            objects.select(pl.col(name).str.to_lowercase().alias("spelled"))
            .with_row_index("object")
            .drop_nulls()
            for name in names
        ]
    ).unique()
    numbered = rows.with_row_index("row")
    matches = (
        numbered.select("row", pl.col(column).str.to_lowercase().alias("spelled"))
        .drop_nulls()
        .join(spelled, on="spelled")
        .group_by("row")
        .agg(pl.col("object").first(), pl.len().alias("objects"))
    )
    joined = (
        numbered.join(matches, on="row", how="left", maintain_order="left")
        .join(found, on="object", how="left", suffix="_found", maintain_order="left")
        .with_columns(pl.col("objects").fill_null(0))
    )
    wanted, identity = pl.col(column).is_not_null(), pl.col(f"{column}_found")
    reason = (
        pl.when(wanted & (pl.col("objects") == 0))
        .then(pl.lit(UNKNOWN))
        .when(wanted & (pl.col("objects") > 1))
        .then(pl.lit(AMBIGUOUS))
        .when(wanted & identity.is_null())
        .then(pl.lit(NO_IDENTITY))
    )
    given_name = pl.col(column) if column == "device" else pl.lit(None, pl.String)
    return joined.select(
        *(
            pl.when(reason.is_null()).then(identity).alias(name) if name == column else pl.col(name)
            for name in ("device", "person")
        ),
        pl.coalesce("name", "name_found", given_name).alias("name"),
        pl.coalesce("platform", "platform_found").alias("platform"),
        pl.coalesce("entity", "entity_found").alias("entity"),
        pl.coalesce("reason", reason).alias("reason"),
    )


def _candidates(found: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a query as CANDIDATES; columns that it does not list are null."""
    headers = {"device": DEVICE, "person": PERSON, "name": _NAME}
    headers |= {"platform": _PLATFORM, "entity": _ENTITY}
    return found.select(
        *(
            (pl.col(header) if header in found.columns else pl.lit(None, pl.String))
            .cast(pl.String)
            .alias(name)
            for name, header in headers.items()
        ),
        pl.lit(None, pl.String).alias("reason"),
    ).with_columns(pl.col("device").str.to_lowercase())
