"""Bodies that would fill the memory: each ends in a clear error, or lands, within the ceiling."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.hostile import (
    COMPLETED,
    HEADER,
    MIB,
    ROW,
    TOKEN,
    Answer,
    HostileTenant,
    gzipped,
    rows,
    then,
    times,
    zstd,
)

MEMORY_MB = 192
CEILING = MEMORY_MB + 320
ZEROS = b"\0" * MIB
DATASET = {
    "dataset": "things",
    "query_id": "#things",
    "mode": "window",
    "window": {"column": "at", "from": "from", "to": "to", "step": "1d"},
    "columns": [{"nql": "at", "type": "datetime"}, {"nql": "number", "type": "int"}],
}
RANDOM = os.urandom(MIB).hex().encode()

# What is sent, the exit code, and what the message says.
HOSTILE = {
    "zstd of zeros": (Answer(zstd(times(ZEROS, 2200))), 6, "NXP_MAX_HEADER_KB"),
    "gzip of zeros": (Answer(gzipped(times(ZEROS, 720))), 6, "NXP_MAX_HEADER_KB"),
    "zstd of equal rows": (
        Answer(zstd(then(HEADER, times(b"2026-11-19 10:00:00,1\n" * 40_000, 2_500)))),
        6,
        "NXP_MAX_RESULT_RATIO",
    ),
    "as many columns as are allowed": (
        Answer(
            zstd(
                then(
                    b"at,number," + b",".join(b"c%d" % n for n in range(998)) + b"\n",
                    times(b"2026-11-19 10:00:00,1" + b",12345" * 998 + b"\n", 5_000),
                )
            )
        ),
        0,
        "",
    ),
    "a header without end": (Answer(times(b"a" * MIB, 200)), 6, "NXP_MAX_HEADER_KB"),
    "a cell of 3 MiB": (
        Answer(
            then(
                b"at,number,note\n",
                times(b"2026-11-19 10:00:00,1," + RANDOM + RANDOM[:MIB] + b"\n", 3),
            )
        ),
        6,
        "NXP_MAX_CELL_MB",
    ),
    "columns without end": (
        Answer(lambda: [HEADER[:-1], *(b",c%d" % n for n in range(30_000)), b"\n1\n"]),
        6,
        "NXP_MAX_COLUMNS",
    ),
    "a record without end": (
        Answer(zstd(then(HEADER, times(RANDOM, 300)))),
        6,
        "NXP_MAX_RECORD_MB",
    ),
    "quotes without end": (
        Answer(zstd(then(HEADER + b'""', times(b'"\n\n,,' + RANDOM + b'"', 300)))),
        6,
        "NXP_MAX_RECORD_MB",
    ),
    "ragged rows": (
        Answer(zstd(then(HEADER, rows(lambda n: b"%d\n" % n, 1_000_000)))),
        6,
        "NXP_MAX_REJECTED_MB",
    ),
    "rejected rows": (
        Answer(zstd(then(HEADER, rows(lambda n: b"no,%d\n" % n, 1_000_000)))),
        6,
        "NXP_MAX_REJECTED_MB",
    ),
    "a window of 128 MiB": (
        Answer(zstd(then(HEADER, rows(lambda n: ROW % n, 9_000_000)), window_log=27)),
        0,
        "",
    ),
    "cells of 2 MiB": (
        Answer(
            then(b"at,number,note\n", times(b"2026-11-19 10:00:00,1," + RANDOM[:-1] + b"\n", 120))
        ),
        0,
        "",
    ),
}
ANSWERS: dict[str, Callable[[str], bytes]] = {
    "status": lambda url: (COMPLETED % f"{url}/bucket/file").encode(),
    "export": lambda _: b'{"exportId":"e1"',
    "token": lambda _: TOKEN,
}


def export(tenant: HostileTenant, folder: Path, **settings: str) -> tuple[int, str, int]:
    """Run an export against the tenant; return exit code, error output and peak memory in MiB."""
    for name in ("datasets", "queries"):
        (folder / "catalog" / name).mkdir(parents=True, exist_ok=True)
    (folder / "catalog/datasets/things.yaml").write_text(yaml.safe_dump(DATASET))
    (folder / "catalog/queries/things.nql").write_text("things")
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "NXP_HOME": str(folder / "home"),
        "NXP_CATALOG": str(folder / "catalog"),
        "NXP_MEMORY_MB": str(MEMORY_MB),
        "NEXTHINK_INSTANCE": "acme",
        "NEXTHINK_REGION": "eu",
        "NEXTHINK_CLIENT_ID": "id",
        "NEXTHINK_CLIENT_SECRET": "secret",
        "NEXTHINK_API_URL": tenant.url,
        "NEXTHINK_LOGIN_URL": tenant.url,
        **settings,
    }
    command = ("export", "things", "--from", "2026-11-19", "--to", "2026-11-20", "--no-prefect")
    done = subprocess.run(
        [sys.executable, "-m", "tests.peak", *command],
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr, int(done.stderr.rsplit("peak ", 1)[1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_result_stays_under_the_ceiling(kind: str, tmp_path: Path) -> None:
    body, code, words = HOSTILE[kind]
    with HostileTenant(result=body) as tenant:
        exit_code, text, peak = export(tenant, tmp_path)
    assert exit_code == code, text
    assert words in text
    assert "Traceback" not in text
    assert peak < CEILING, text


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("filling", [b" " * MIB, b"[]," * (MIB // 3)])
@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_stays_under_the_ceiling(
    kind: str, filling: bytes, packed: bool, tmp_path: Path
) -> None:
    with HostileTenant() as tenant:
        beginning = ANSWERS[kind](tenant.url) + b',"x":['
        body = then(beginning, times(filling, 1024))
        answer = Answer(gzipped(body), content_encoding="gzip") if packed else Answer(body)
        tenant.replace(kind, answer)
        exit_code, text, peak = export(tenant, tmp_path)
    assert exit_code == 5, text
    assert "NXP_MAX_ANSWER_MB" in text
    assert "Traceback" not in text
    assert peak < CEILING, text
