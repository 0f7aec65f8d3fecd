"""Ceilings of one download: how much text, how far it may be compressed, how long and how slow."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from connectors.errors import DataRefusedError, UnavailableError
from connectors.limits import GB, MB, Limits, setting

# Smaller texts may be compressed by any ratio: a few thousand equal rows are.
RATIO_BEYOND_BYTES: Final = 256 * MB
# The rate counts over this many seconds of waiting for the network.
RATE_SECONDS: Final = 60.0


class TooSlowError(Exception):
    """The file arrives too slowly; another connection may be faster."""


class Ceilings:
    """What one download may bring, and how long it may take.

    Args:
        limits: the ceilings.
        monotonic: returns seconds, from a clock that never goes back.
    """

    def __init__(self, limits: Limits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._began = monotonic()
        self._waited = self._came = 0.0

    def check_text(self, unpacked: int, received: int) -> None:
        """Check how much text came from this many bytes of the file.

        Raises:
            DataRefusedError: too much, or more than a file of rows can be compressed.
        """
        limits = self._limits
        if unpacked > limits.max_result_gb * GB:
            raise DataRefusedError(
                f"the result is larger than {limits.max_result_gb:g} GiB: narrow the query, or "
                f"raise {setting('max_result_gb')}; nothing was published"
            )
        if unpacked > max(RATIO_BEYOND_BYTES, limits.max_result_ratio * received):
            raise DataRefusedError(
                f"the result file unpacks to more than {limits.max_result_ratio:g} times its "
                "size, as rows of a tenant never do: check what sends it, or raise "
                f"{setting('max_result_ratio')}; nothing was published"
            )

    def check_time(self) -> None:
        """Check how long the download has taken, with all its tries.

        Raises:
            UnavailableError: too long.
        """
        minutes = self._limits.max_download_minutes
        if self._monotonic() - self._began > minutes * 60:
            raise UnavailableError(
                f"the download of the result file takes more than {minutes:g} minutes: check the "
                f"network, narrow the query, or raise {setting('max_download_minutes')}"
            )

    def timed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield chunks as they arrive; only the time that the network takes counts for the rate.

        Raises:
            TooSlowError: too few bytes arrive.
            UnavailableError: as `check_time`.
        """
        self._waited = self._came = 0.0
        iterator = iter(chunks)
        while True:
            asked = self._monotonic()
            chunk = next(iterator, None)
            self._waited += self._monotonic() - asked
            if chunk is None:
                return
            self._came += len(chunk)
            self.check_time()
            self._check_rate()
            yield chunk

    def too_slow(self, host: str) -> UnavailableError:
        """Return the error of a download that is too slow on every connection."""
        rate = self._limits.min_download_bytes_per_second
        return UnavailableError(
            f"{host} sends the result file at less than {rate:g} bytes a second: try again later, "
            f"or lower {setting('min_download_bytes_per_second')}"
        )

    def _check_rate(self) -> None:
        if self._waited < RATE_SECONDS:
            return
        if self._came < self._waited * self._limits.min_download_bytes_per_second:
            raise TooSlowError
        self._waited = self._came = 0.0
