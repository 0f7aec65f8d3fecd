"""All objects of an estate, made together."""

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

# The rest of the users have several devices or share one.
USERS_PER_DEVICE = 0.85
# Tests serve one estate after another in a process, most of them alike.
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Stock:
    """The objects by kind, and the program that each binary and each package is of."""

    fleet: Fleet
    frames: Mapping[str, pl.DataFrame]
    programs: tuple[int, ...]
    products: tuple[int, ...]


@lru_cache(_KEPT)
def make_stock(seed: int, devices: int, anchor: datetime) -> Stock:
    """Make the objects. Estates share what this returns, so nobody may change it in place."""
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
    }
    return Stock(fleet, frames, tuple(programs), tuple(products))
