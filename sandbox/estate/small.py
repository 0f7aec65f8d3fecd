"""Objects of which a tenant has few: AI tools, guides and their steps, mobile devices."""

import polars as pl

from nql.kinds import Kind
from nql.vocabulary.objects import OBJECTS
from sandbox.estate import catalogue
from sandbox.estate.chance import hexadecimal, pick, stream, uuids
from sandbox.model.kinds import DTYPES

_NAMES: dict[str, tuple[str, ...]] = {
    "ai.tool": catalogue.AI_TOOLS,
    "application.guide": catalogue.GUIDES,
    "application.guide_step": tuple(f"{g}, {n}" for g in catalogue.GUIDES for n in (1, 2)),
    "device.mobile_device": tuple(f"Phone {n}" for n in range(1, 21)),
}
_WORDS: dict[str, tuple[str, ...]] = {
    "ai.tool.type": ("assistant", "agent"),
    "ai.tool.status": ("allowed", "blocked"),
    "application.guide.type": ("walkthrough", "tooltip", "media"),
    "application.guide.status": ("published", "draft"),
    "application.guide_step.type": ("tooltip",),
    "device.mobile_device.model": ("iPhone 15", "Galaxy S24"),
    "device.mobile_device.operating_system.platform": ("iOS", "Android"),
}


def make_small(seed: int) -> dict[str, pl.DataFrame]:
    """Return all objects of these kinds; what is not known of them is null."""
    return {entity: _frame(seed, entity, names) for entity, names in _NAMES.items()}


def _frame(seed: int, entity: str, names: tuple[str, ...]) -> pl.DataFrame:
    rng = stream(seed, entity)
    count = len(names)
    known = {
        "name": pl.Series(names),
        "uid": uuids(rng, count),
        "nql_id": pl.Series([f"#{entity.rpartition('.')[2]}_{n}" for n in range(1, count + 1)]),
        "serial_number": hexadecimal(rng, count, 10),
    }

    def column(field: str, kind: Kind) -> pl.Series:
        path = f"{entity}.{field}"
        if path in _WORDS:
            return pick(rng, count, _WORDS[path]).alias(path)
        empty = pl.repeat(None, count, dtype=DTYPES[kind], eager=True)
        return known.get(field, empty).alias(path)

    return pl.DataFrame([column(field, kind) for field, kind in OBJECTS[entity].items()])
