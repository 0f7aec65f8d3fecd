"""What happens around the landing of units."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.land.units import SHOWN_FROM, _shown_in_prefect


def test_a_run_goes_on_where_its_progress_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no server")

    monkeypatch.setattr("tasks.land.units.create_progress_artifact", refuse)
    plan = SimpleNamespace(units=range(SHOWN_FROM), tenant=SimpleNamespace(name="t"))
    run = cast("Any", SimpleNamespace(plan=plan, dataset="d", run_id="r"))
    landed = []
    with _shown_in_prefect(run):
        landed.append(1)
    assert landed == [1]
