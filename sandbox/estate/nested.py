"""The nested lists of devices: disks, processors, administrators and so on, as rows."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nql.vocabulary.objects import NESTED, SINGULAR
from sandbox.estate.chance import at, hexadecimal, pick, some, stream
from sandbox.estate.inventory import blank

_GB = 1_000_000_000
_DISKS = ("SAMSUNG MZVL2512", "WD SN740", "Micron 3400", "KIOXIA KXG6")
_CPUS = ("Intel(R) Core(TM) i7-1185G7 @ 3.00GHz", "AMD Ryzen 7 PRO 6850U", "Apple M2")
_GPUS = ("Intel(R) Iris(R) Xe Graphics", "NVIDIA T1000", "AMD Radeon 680M")
_STATES = ("disabled", "enabled")
_SCREENS = ("DELL U2722D", 'HP E27 27"', "LEN T24i-20")
_ADMINS = ("Administrator", "CORP\\Desktop Support", "CORP\\jörg.müller7", "local-admin")

# The weights of how many of each a device has, starting at 0.
_NUMBERS: dict[str, tuple[float, ...]] = {
    "antiviruses": (2, 90, 8),
    "cpus": (0, 97, 3),
    "disks": (0, 80, 15, 5),
    "firewalls": (3, 95, 2),
    "gpus": (5, 80, 15),
    "local_admins": (1, 40, 40, 19),
    "monitors": (25, 45, 30),
    "volumes": (0, 70, 25, 5),
}

_Made = Mapping[str, pl.Series]


def make_nested(seed: int, name: str, devices: int) -> pl.DataFrame:
    """Return all rows of one list; `#device` is the row of the device that each belongs to."""
    rng = stream(seed, "nested", name)
    weights = np.asarray(_NUMBERS[name], dtype=float)
    numbers = rng.choice(len(weights), size=devices, p=weights / weights.sum())
    device = np.repeat(np.arange(devices), numbers)
    first = np.diff(device, prepend=-1) != 0
    made = _MAKERS[name](rng, first)
    prefix = f"device.{SINGULAR.get(name, name.removesuffix('s'))}"
    columns = [made[field].alias(f"{prefix}.{field}") for field in NESTED[name]]
    return pl.DataFrame([pl.Series("#device", device), *columns])


def as_lists(rows: pl.DataFrame, devices: int) -> pl.Series:
    """Return the names in each device's list. That lists are shown so is a guess."""
    name = next(column for column in rows.columns if column.endswith(".name"))
    grouped = rows.group_by("#device", maintain_order=True).agg(pl.col(name).alias("names"))
    every = pl.DataFrame({"#device": np.arange(devices)})
    joined = every.join(grouped, on="#device", how="left", maintain_order="left")
    empty = pl.lit([], dtype=pl.List(pl.String))
    return joined.select(pl.col("names").fill_null(empty)).to_series()


def _antiviruses(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    count = len(first)
    return {
        "name": at(("Trend Micro Apex One", "Microsoft Defender"), first.astype(np.int64)),
        "is_up_to_date": pl.Series(some(rng, count, 0.94)),
        "real_time_protection": at(_STATES, some(rng, count, 0.97).astype(np.int64)),
    }


def _cpus(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    cores = 2 ** rng.integers(2, 5, len(first))
    return {
        "name": pick(rng, len(first), _CPUS, (6, 3, 1)),
        "frequency": pl.Series(rng.uniform(1.8e9, 3.6e9, len(first)).round(-6)),
        "number_of_cores": pl.Series(cores),
        "number_of_logical_processors": pl.Series(cores * 2),
    }


def _disks(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    return {
        "name": pick(rng, len(first), _DISKS),
        "type": pick(rng, len(first), ("ssd", "hdd"), (95, 5)),
        "capacity": pl.Series(256 * _GB * 2 ** rng.integers(0, 3, len(first))),
    }


def _firewalls(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    return {
        "name": at(("Zscaler Firewall", "Windows Firewall"), first.astype(np.int64)),
        "enabled": pl.Series(some(rng, len(first), 0.96)),
        "real_time_protection": at(_STATES, some(rng, len(first), 0.96).astype(np.int64)),
    }


def _gpus(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    return {
        "name": pick(rng, len(first), _GPUS, (7, 1, 2)),
        "memory": pl.Series(_GB * 2 ** rng.integers(0, 4, len(first))),
    }


def _local_admins(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    names = np.where(first, 0, rng.integers(1, len(_ADMINS), len(first)))
    return {
        "name": at(_ADMINS, names),
        "type": at(("DOMAIN_USER", "LOCAL_USER"), np.isin(names, (0, 3)).astype(np.int64)),
    }


def _monitors(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    serial = hexadecimal(rng, len(first), 12).str.to_uppercase()
    return {
        "name": pick(rng, len(first), _SCREENS),
        "serial_number": blank(serial, some(rng, len(first), 0.1)),
        "resolution": pick(rng, len(first), ("2560x1440", "1920x1080", "3840x2160")),
    }


def _volumes(rng: np.random.Generator, first: NDArray[np.bool_]) -> _Made:
    capacity = 200 * _GB * 2 ** rng.integers(0, 3, len(first))
    return {
        "name": at(("D:", "C:"), first.astype(np.int64)),
        "capacity": pl.Series(capacity),
        "free_space": pl.Series((capacity * rng.beta(2, 3, len(first))).astype(np.int64)),
        "is_system": pl.Series(first),
    }


_MAKERS: dict[str, Callable[[np.random.Generator, NDArray[np.bool_]], _Made]] = {
    "antiviruses": _antiviruses,
    "cpus": _cpus,
    "disks": _disks,
    "firewalls": _firewalls,
    "gpus": _gpus,
    "local_admins": _local_admins,
    "monitors": _monitors,
    "volumes": _volumes,
}
