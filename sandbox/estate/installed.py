"""Generates which packages are on which devices, one block of devices at a time."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from sandbox.estate.chance import stream
from sandbox.estate.devices import Fleet
from sandbox.estate.inventory import DAY_US, instants

_BLOCK = 5_000
_SHARE = 0.7


def installed_packages(
    seed: int, fleet: Fleet, products: Sequence[int], is_mac: list[bool]
) -> Iterator[pl.DataFrame]:
    """Yield `#device`, `#package` and when the package was first seen on the device.

    `products` names the program that each package is a version of; a device has at most one
    version of a program.
    """
    programs = np.array(sorted(set(products)))
    versions = [np.flatnonzero(np.array(products) == program) for program in programs]
    apple = np.array(is_mac)[[v[0] for v in versions]]
    for first in range(0, fleet.frame.height, _BLOCK):
        devices = np.arange(first, min(first + _BLOCK, fleet.frame.height))
        rng = stream(seed, "installed", first // _BLOCK)
        has = rng.random((len(devices), len(programs))) < _SHARE
        has &= fleet.is_mac[devices][:, None] == apple
        drawn = rng.random(has.shape)
        package = np.stack(
            [v[(drawn[:, n] * len(v)).astype(np.int64)] for n, v in enumerate(versions)], axis=1
        )
        row, column = np.nonzero(has)
        device = devices[row]
        seen = fleet.active_from[device] + rng.integers(0, 10 * DAY_US, len(device))
        yield pl.DataFrame(
            {
                "#device": device,
                "#package": package[row, column],
                "package.installed_package.first_seen": instants(seen),
            }
        )
