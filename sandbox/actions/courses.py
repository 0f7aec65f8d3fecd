"""What happens to each target of a request, and when: decided from the seed on acceptance."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sandbox.actions.options import ActingOptions

# Numbers drawn for each key.
_DRAWS = 8
_SECOND_US = 1_000_000
MINUTE_US = 60 * _SECOND_US
# A guess: how long a workflow waits for a device that stays offline.
_WORKFLOW_PATIENCE_US = 10_080 * MINUTE_US
# The largest share of an execution's time that is spent waiting for the device.
_WAITING_SHARE = 0.4

FAILURES = (
    "The script ended with exit code 1.",
    "The script took longer than its time limit.",
    "The script cannot run: access is denied.",
)
NO_SCRIPT = "The remote action has no script for the platform of the device."
UNREACHABLE = "The device did not come online."
STEP_FAILED = "A step of the workflow failed."


@dataclass(frozen=True, slots=True)
class Course:
    """When each target starts and ends, in microseconds after the request, and how it ends."""

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    outcome: NDArray[np.str_]
    # Empty if there is none.
    details: NDArray[np.str_]


def draws(keys: Iterable[str]) -> NDArray[np.float64]:
    """Return eight numbers in [0, 1) for each key; a key always gets the same ones."""
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=64).digest() for key in keys)
    whole = np.frombuffer(digests, dtype="<u8").reshape(-1, _DRAWS)
    return np.asarray((whole >> np.uint64(11)) * 2.0**-53)


def remote_action(
    drawn: NDArray[np.float64],
    offline: NDArray[np.bool_],
    mismatched: NDArray[np.bool_],
    expires_in_minutes: int,
    options: ActingOptions,
) -> Course:
    """Return a course that waits for the device and runs; it expires if the device is late."""
    span = options.execution_time * _SECOND_US
    begin = (drawn[:, 1] * _WAITING_SHARE * span).astype(np.int64)
    end = begin + ((0.2 + 0.8 * drawn[:, 2]) * (1 - _WAITING_SHARE) * span).astype(np.int64)
    expiry = expires_in_minutes * MINUTE_US
    expired = offline | (begin > expiry)
    failed = mismatched | (drawn[:, 0] < options.failure_share)
    outcome = np.where(expired, "expired", np.where(failed, "failure", "success"))
    told = np.array(FAILURES)[(drawn[:, 3] * len(FAILURES)).astype(np.int64)]
    told = np.where(mismatched, NO_SCRIPT, told)
    details = np.where(outcome == "failure", told, np.where(expired, UNREACHABLE, ""))
    return Course(
        np.where(expired, expiry, begin), np.where(expired, expiry, end), outcome, details
    )


def workflow(
    drawn: NDArray[np.float64], offline: NDArray[np.bool_], options: ActingOptions
) -> Course:
    """Return a course that runs at once; it fails, much later, if the device stays offline."""
    span = options.execution_time * _SECOND_US
    end = ((0.3 + 0.7 * drawn[:, 1]) * span).astype(np.int64)
    failed = drawn[:, 0] < options.failure_share
    outcome = np.where(offline | failed, "failure", "success")
    details = np.where(offline, UNREACHABLE, np.where(failed, STEP_FAILED, ""))
    begin = np.zeros(len(end), dtype=np.int64)
    return Course(begin, np.where(offline, _WORKFLOW_PATIENCE_US, end), outcome, details)


def campaign(drawn: NDArray[np.float64], expires_in_minutes: int, options: ActingOptions) -> Course:
    """Return a course that is answered or declined some time after it is shown, or expires."""
    end = ((0.1 + 0.9 * drawn[:, 1]) * options.execution_time * _SECOND_US).astype(np.int64)
    expiry = expires_in_minutes * MINUTE_US
    shown = np.where(drawn[:, 0] < options.answer_share, "answered", "declined")
    reacts = (drawn[:, 0] < options.answer_share + options.decline_share) & (end <= expiry)
    outcome = np.where(reacts, shown, "expired")
    begin = np.zeros(len(end), dtype=np.int64)
    return Course(begin, np.where(reacts, end, expiry), outcome, np.full(len(end), ""))
