"""The devices of the tenant."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate import catalogue
from sandbox.estate.chance import at, choose, hexadecimal, pick, some, stream, uuids
from sandbox.estate.inventory import DAY_US, blank, instants, micros

# Shares of devices with the flaws of real inventories.
DUPLICATE_NAMES = 0.01
STALE = 0.12


@dataclass(frozen=True, slots=True)
class Fleet:
    """The devices as a frame, and as arrays what the event generators need."""

    frame: pl.DataFrame
    users: int
    memory: NDArray[np.int64]
    primary_user: NDArray[np.int64]
    is_mac: NDArray[np.bool_]
    hours_ahead: NDArray[np.int64]
    # In the list of places.
    place: NDArray[np.int64]
    active_from: NDArray[np.int64]
    active_until: NDArray[np.int64]


def make_fleet(seed: int, count: int, users: pl.DataFrame, anchor: datetime) -> Fleet:
    """Return the devices, each with a user; some users have several."""
    rng = stream(seed, "devices")
    model = choose(rng, count, [m.weight for m in catalogue.MODELS])
    place = choose(rng, count, [p.weight for p in catalogue.PLACES])
    owner = rng.integers(1, max(users.height, 2), count) % users.height
    now = micros(anchor)
    # Five percent of the devices are younger than the history that is kept.
    age = np.where(some(rng, count, 0.05), 20, rng.integers(40, 1500, count))
    first_seen = now - age * DAY_US + rng.integers(0, DAY_US, count)
    stale = np.where(some(rng, count, STALE), rng.integers(1, 45, count), 0)
    stale = np.minimum(stale, age - 2)
    last_seen = np.where(stale > 0, now - stale * DAY_US + rng.integers(0, DAY_US, count), 0)
    groups = [
        _identity(seed, count, model, place),
        _hardware(seed, count, model),
        _system(seed, count, model, now),
        _surroundings(seed, count, model, place),
        _virtualization(seed, count, model, now),
    ]
    frame = pl.DataFrame([series for group in groups for series in group]).with_columns(
        instants(first_seen).alias("device.first_seen"),
        instants(last_seen, stale == 0).alias("device.stale_since"),
        users["user.name"].gather(owner).alias("device.login.last_login_user_name"),
    )
    until = np.where(stale > 0, last_seen, np.iinfo(np.int64).max)
    is_mac = np.array([m.platform == "macOS" for m in catalogue.MODELS])[model]
    memory = frame["device.hardware.memory"].to_numpy()
    ahead = np.array([p.hours_ahead for p in catalogue.PLACES])[place]
    return Fleet(frame, users.height, memory, owner, is_mac, ahead, place, first_seen, until)


def _identity(
    seed: int, count: int, model: NDArray[np.int64], place: NDArray[np.int64]
) -> list[pl.Series]:
    rng = stream(seed, "devices", "identity")
    prefixes = {"laptop": "NB", "desktop": "WS", "virtual": "VDI"}
    kinds = ["MAC" if m.platform == "macOS" else prefixes[m.type] for m in catalogue.MODELS]
    parts = pl.DataFrame(
        {
            "prefix": at(kinds, model),
            "code": at([p.code for p in catalogue.PLACES], place),
            "n": pl.Series(np.arange(1, count + 1)).cast(pl.String).str.zfill(6),
            "unit": pick(rng, count, catalogue.DEPARTMENTS),
            "site": at([p.site for p in catalogue.PLACES], place),
        }
    )
    names = parts.select(pl.concat_str("prefix", "code", "n", separator="-")).to_series()
    # Re-imaged machines: the same name on two devices, with different identifiers.
    source = np.arange(count)
    copied = some(rng, count, DUPLICATE_NAMES)
    source[copied] = rng.integers(0, count, int(copied.sum()))
    entity = parts.select(pl.concat_str("site", "unit", separator="/")).to_series()
    return [
        uuids(rng, count).alias("device.uid"),
        uuids(rng, count).alias("device.collector.uid"),
        names.gather(source).alias("device.name"),
        entity.alias("device.entity"),
        blank(entity, some(rng, count, 0.1)).alias("device.organization.entity"),
        pick(
            rng, count, (None, "", "pilot", "standard", 'kiosk, "lobby"'), (30, 5, 10, 50, 5)
        ).alias("device.configuration_tag"),
    ]


def _hardware(seed: int, count: int, model: NDArray[np.int64]) -> list[pl.Series]:
    rng = stream(seed, "devices", "hardware")
    models = catalogue.MODELS
    small = np.array([m.memory_gb[0] for m in models])[model]
    large = np.array([m.memory_gb[-1] for m in models])[model]
    memory = np.where(some(rng, count, 0.6), small, large) * 1_000_000_000
    serial = hexadecimal(rng, count, 10).str.to_uppercase()
    return [
        at([m.manufacturer for m in models], model).alias("device.hardware.manufacturer"),
        at([m.model for m in models], model).alias("device.hardware.model"),
        at([m.line for m in models], model).alias("device.hardware.product_line"),
        at([m.type for m in models], model).alias("device.hardware.type"),
        pl.Series("device.hardware.memory", memory),
        blank(serial, some(rng, count, 0.03)).alias("device.hardware.chassis_serial_number"),
        blank(serial, some(rng, count, 0.03), "").alias("device.hardware.machine_serial_number"),
        serial.alias("device.hardware.bios_serial_number"),
    ]


def _system(seed: int, count: int, model: NDArray[np.int64], now: int) -> list[pl.Series]:
    rng = stream(seed, "devices", "system")
    mac = np.array([m.platform == "macOS" for m in catalogue.MODELS])[model]
    editions = (*catalogue.WINDOWS, *catalogue.MACOS)
    edition = np.where(
        mac,
        len(catalogue.WINDOWS) + choose(rng, count, [w for *_, w in catalogue.MACOS]),
        choose(rng, count, [w for *_, w in catalogue.WINDOWS]),
    )
    updated = now - rng.integers(0, 120 * DAY_US, count)
    versions = [catalogue.version_text(v) for v in catalogue.COLLECTORS]
    boots = rng.geometric(0.12, count) - 1
    address = rng.integers(0, 256, (3, count))
    octets = pl.DataFrame(dict(zip("abc", address, strict=True)))
    local_ip = octets.select(pl.concat_str(pl.lit("::ffff:10"), "a", "b", "c", separator="."))
    return [
        at([name for name, *_ in editions], edition).alias("device.operating_system.name"),
        at(("Windows", "macOS"), mac.astype(np.int64)).alias("device.operating_system.platform"),
        at([catalogue.version_text(b) for _, b, _ in editions], edition).alias(
            "device.operating_system.build"
        ),
        instants(updated).alias("device.operating_system.last_update"),
        pl.Series("device.operating_system.days_since_last_update", (now - updated) // DAY_US),
        pick(rng, count, versions, (1, 3, 6)).alias("device.collector.version"),
        pick(rng, count, ("production", "pilot"), (9, 1)).alias("device.collector.update_group"),
        pl.Series("device.collector.tag_id", rng.integers(0, 100, count)),
        local_ip.to_series().alias("device.collector.local_ip"),
        pl.Series("device.boot.days_since_last_full_boot", boots),
        pl.Series("device.boot.last_full_boot_duration", rng.gamma(6.0, 9.0, count).round(3)),
        blank(
            pick(rng, count, ("notify_on_changes", "always_notify", "disabled"), (90, 7, 3)), mac
        ).alias("device.user_account_control_status"),
    ]


def _surroundings(
    seed: int, count: int, model: NDArray[np.int64], place: NDArray[np.int64]
) -> list[pl.Series]:
    rng = stream(seed, "devices", "surroundings")
    places = catalogue.PLACES
    laptop = np.array([m.type == "laptop" for m in catalogue.MODELS])[model]
    remote = laptop & (some(rng, count, 0.35))
    wireless = laptop & (some(rng, count, 0.8))
    return [
        at(("ethernet", "wifi"), wireless.astype(np.int64)).alias(
            "device.connectivity.last_connectivity_type"
        ),
        at(("onsite", "remote"), remote.astype(np.int64)).alias("device.location.type"),
        blank(at([p.site for p in places], place), remote).alias("device.location.site"),
        at([p.country for p in places], place).alias("device.location.country"),
        at([p.country for p in places], place).alias("device.public_ip.country"),
        at([p.isp for p in places], place).alias("device.public_ip.isp"),
    ]


def _virtualization(seed: int, count: int, model: NDArray[np.int64], now: int) -> list[pl.Series]:
    rng = stream(seed, "devices", "virtualization")
    physical = np.array([m.type != "virtual" for m in catalogue.MODELS])[model]
    azure = np.array([m.line == "Azure" for m in catalogue.MODELS])[model].astype(np.int64)
    values = {
        "type": pick(rng, count, ("shared", "personal", "pooled"), (2, 3, 5)),
        "desktop_broker": at(("horizon_on_prem", "azure_virtual_desktops"), azure),
        "desktop_pool": pick(rng, count, ("Pool A", "Pool B", "Contractors")),
        "disk_image": pick(rng, count, ("win11-23h2-golden", "win11-24h2-golden", None)),
        "environment_name": pick(rng, count, ("prod", "test"), (9, 1)),
        "hostname": pick(rng, count, ("esx-01", "esx-02", "esx-03", "esx-04")),
        "hypervisor_name": at(("VMware ESXi", "Microsoft Hyper-V"), azure),
        "instance_size": at((None, "Standard_D4s_v5"), azure),
        "region": at((None, "switzerlandnorth"), azure),
        "last_update": instants(now - rng.integers(0, 2 * DAY_US, count)),
    }
    return [
        blank(series, physical).alias(f"device.virtualization.{name}")
        for name, series in values.items()
    ]
