"""The ledger's runs: when each began, in which process, and how it ended."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Text, cast, func, or_, select, update

from connectors.ledger.holding import Holding
from connectors.ledger.leases import Holder
from connectors.ledger.tables import runs, total, units

# A run of another machine, or of this one before it was rebooted, that began this long ago and
# holds no unit is over: the files it staged contain rows, and have to be removed.
SILENCE = timedelta(days=1)


class RunRecords:
    """The runs of one tenant; a part of its ledger."""

    _engine: Engine
    _tenant: str
    _clock: Callable[[], datetime]
    _holding: Holding

    def begin_run(self, run_id: str, dataset: str, trigger: str) -> None:
        """Record that a run has begun; `trigger` says why, such as scheduled or back-fill."""
        row = {
            "run_id": run_id,
            "tenant": self._tenant,
            "dataset": dataset,
            "trigger": trigger,
            "state": "running",
            "holder": str(Holder.of_this_process(run_id)),
            "started_at": self._clock(),
        }
        with self._engine.begin() as connection:
            connection.execute(runs.insert().values(row))

    def finish_run(self, run_id: str, state: str, report: dict[str, Any]) -> None:
        """Record how a run ended, with its report."""
        values = {
            "state": state,
            "finished_at": self._clock(),
            "units": report["units"],
            "rows_landed": report["rows_landed"],
            "rows_rejected": report["rows_rejected"],
            "error": report["error"],
            "report": report,
        }
        with self._engine.begin() as connection:
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(values))

    def abandon_run(self, run_id: str, state: str) -> bool:
        """Record that a run ended without a report, unless it has one; count its landed units."""
        return self._abandon([run_id], state) > 0

    def states(self, run_ids: Collection[str]) -> dict[str, str]:
        """Return the states of the runs that the ledger knows, by their ids, of any tenant."""
        query = select(runs.c.run_id, runs.c.state).where(runs.c.run_id.in_(run_ids))
        with self._engine.connect() as connection:
            return {row.run_id: row.state for row in connection.execute(query)}

    def close_interrupted_runs(self) -> None:
        """Mark runs whose process is gone as interrupted."""
        query = select(runs.c.run_id, runs.c.holder, runs.c.started_at).where(
            runs.c.tenant == self._tenant, runs.c.state == "running"
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        living = self._holding.living_runs() if found else set()
        gone = [
            row.run_id
            for row in found
            if self._is_gone(Holder.parse(row.holder), row.started_at, living)
        ]
        if gone:
            self._abandon(gone, "interrupted")

    def _abandon(self, run_ids: Sequence[str], state: str) -> int:
        landed = select(func.count()).where(units.c.run_id == runs.c.run_id)
        rows = select(total(units.c.rows_landed))
        rows = rows.where(units.c.run_id == runs.c.run_id)
        values = {
            "state": state,
            "finished_at": self._clock(),
            "units": landed.scalar_subquery(),
            "rows_landed": rows.scalar_subquery(),
        }
        left = update(runs).where(runs.c.run_id.in_(run_ids), runs.c.state == "running")
        with self._engine.begin() as connection:
            return connection.execute(left.values(values)).rowcount

    def runs(self, dataset: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """Return runs, newest first; one whose process is gone is shown as interrupted."""
        query = select(runs).where(runs.c.tenant == self._tenant)
        if dataset:
            query = query.where(runs.c.dataset == dataset)
        query = query.order_by(runs.c.started_at.desc(), runs.c.run_id).limit(limit)
        with self._engine.connect() as connection:
            found = [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name
        living = self._holding.living_runs()
        for run in found:
            holder = Holder.parse(run.pop("holder"))
            if run["state"] == "running" and self._is_gone(holder, run["started_at"], living):
                run["state"] = "interrupted"
            # Kept in the report only; null for runs of earlier releases and of other kinds.
            run["rows_filtered"] = (run["report"] or {}).get("rows_filtered")
        return found

    def runs_with_changes(self, since: datetime) -> list[dict[str, Any]]:
        """Return id, dataset, start and report of runs that noted something, oldest first.

        These are warnings (also of checks), and columns that were not sent or were left out.
        """
        text = cast(runs.c.report, Text)
        noted = ("warnings", "columns_absent", "columns_dropped")
        query = select(runs.c.run_id, runs.c.dataset, runs.c.started_at, runs.c.report).where(
            runs.c.tenant == self._tenant,
            runs.c.started_at >= since,
            # An empty list, which nearly all runs have, is written without a quotation mark.
            or_(*(text.like(f'%"{name}": ["%') for name in noted)),
        )
        with self._engine.connect() as connection:
            found = connection.execute(query.order_by(runs.c.started_at)).all()
        return [dict(row._mapping) for row in found]  # noqa: SLF001 - SQLAlchemy's public name

    def began(self, run_ids: Collection[str]) -> dict[str, datetime]:
        """Return when runs began, by their ids."""
        query = select(runs.c.run_id, runs.c.started_at).where(runs.c.tenant == self._tenant)
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        return {row.run_id: row.started_at for row in found if row.run_id in run_ids}

    def _is_gone(self, holder: Holder, started_at: datetime, living: set[str]) -> bool:
        """Return whether a run's process is gone.

        On another machine this is assumed if the run is old and holds nothing.
        """
        if holder.is_near():
            return holder.is_known_dead()
        return holder.run_id not in living and started_at < self._clock() - SILENCE
