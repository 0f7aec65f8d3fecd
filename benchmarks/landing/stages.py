"""The floor of a landing: the CPU each step takes by itself, one after the other.

Usage: python -m benchmarks.landing.stages QUERY URL FOLDER, in an installation that
benchmarks.landing.engine has prepared. Prints the CPU seconds of each step as JSON. No schedule of
the same steps can be faster than their sum divided by the number of cores.
"""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.landing.engine import DATASET, DAY, NOW, clock, point_to
from connectors.lake.stage import Stage, as_written
from connectors.nexthink import Compression
from connectors.nexthink.results.destination import CsvStream
from connectors.nexthink.results.result_file import BLOCK_BYTES, ResultFile
from nxp.__main__ import start_lightly
from tasks.columns.conform import Conformer
from tasks.columns.header import match_header
from tasks.land.asked import Asked
from tasks.land.plan import plan_run
from tasks.land.run import Run, open_run


class Text:
    """Text in memory as a source of a result file."""

    def __init__(self, text: bytes) -> None:
        self._text = memoryview(text)

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        part, self._text = self._text[:size], self._text[size:]
        return bytes(part)


class Clock:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def at(self, step: str) -> Iterator[None]:
        """Record the CPU seconds spent in the block as those of a step."""
        began = time.process_time()
        yield
        self.spent[step] = time.process_time() - began


def measure(query: str, url: str, folder: Path) -> dict[str, float]:
    """Run every step of landing one export, each to its end before the next.

    The results of a timed step are not kept: getting new memory costs time, and a real landing
    spends less of it because it frees memory and uses it again.
    """
    spent = Clock()
    spent.spent["start"] = time.process_time()
    plan = plan_run(Asked(DATASET, **DAY), clock)
    with open_run(plan, clock=clock) as run:
        address = f"{url}/files/{query.removesuffix('_zst')}.csv.zst"
        with spent.at("download and unpack"):
            for _ in _download(run, address):
                pass
        _land(run, b"".join(_download(run, address)), folder, spent)
    return spent.spent


def _download(run: Run, address: str) -> Iterator[bytes]:
    stream = CsvStream()
    arguments = "0", stream, Compression.ZSTD
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run.tools.client.nql.stream, *arguments, url=address)
        while block := stream.read(BLOCK_BYTES):
            yield block
        done.result()


def _land(run: Run, text: bytes, folder: Path, spent: Clock) -> None:
    specification = run.plan.specification
    window = specification.window
    if window is None:
        raise AssertionError("the dataset has windows")
    part = (window.column, next(unit.window for unit in run.plan.units if unit.window))
    with spent.at("read"):
        file = ResultFile(Text(text))
        for _ in file.frames():
            pass
    layout = match_header(file.header, specification)
    conformer = Conformer(layout, "UTC", run.run_id, NOW, part)
    frames = list(ResultFile(Text(text)).frames())
    with spent.at("type"):
        for frame in frames:
            conformer.conform(frame)
    typed = [conformer.conform(frame).landed for frame in frames]
    schema = conformer.arrow_schema()
    with spent.at("write"), Stage(folder / "stage", schema) as stage:
        for rows in typed:
            stage.write("date=2026-11-19", as_written(rows, schema))
        stage.finish()


if __name__ == "__main__":
    start_lightly()
    point_to(sys.argv[2], Path(sys.argv[3]))
    print(json.dumps(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
