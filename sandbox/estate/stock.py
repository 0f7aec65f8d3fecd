"""All objects of an estate, generated together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import polars as pl

from sandbox.estate.devices import Fleet, make_fleet
from sandbox.estate.inventory import (
    make_applications,
    make_binaries,
    make_monitors,
    make_packages,
    make_users,
)
from sandbox.estate.small import make_small

# Fewer users than devices, since some have several.
USERS_PER_DEVICE = 0.85
# Tests start many tenants in one process, most of them with the same estate.
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Stock:
    """The objects by kind, and the program of each binary and of each package."""

    fleet: Fleet
    frames: Mapping[str, pl.DataFrame]
    programs: tuple[int, ...]
    products: tuple[int, ...]


@lru_cache(_KEPT)
def make_stock(seed: int, devices: int, anchor: datetime) -> Stock:
    """Return the objects. Estates share the result, so it must not be changed in place."""
    users = make_users(seed, 1 + round(devices * USERS_PER_DEVICE), anchor)
    binaries, programs = make_binaries(seed, anchor)
    packages, products = make_packages(seed, anchor)
    fleet = make_fleet(seed, devices, users, anchor)
    frames = {
        "device": fleet.frame,
        "user": users,
        "binary": binaries,
        "application": make_applications(seed),
        "package": packages,
        "alert.monitor": make_monitors(seed),
        **make_small(seed),
    }
    return Stock(fleet, frames, tuple(programs), tuple(products))
