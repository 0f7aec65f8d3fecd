"""Runs of the back-fill's deployment on a work pool, one for each chunk: found, started, watched.

Call nxp.engine.prepare first, because this module imports Prefect.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterTags,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelled

from connectors.errors import ConfigurationError, UnavailableError
from tasks.land.chunks import BackfillIdentity, Chunk

FLOW = "nql-backfill"
# The most a Prefect server returns at once.
PAGE = 200
# If this long after a run's start no run holds a window, the run is dead, whatever Prefect says:
# its machine is gone.
SILENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ChunkRun:
    """A run started for a chunk. Prefect says whether it `waits` (for a worker) or has `ended`."""

    flow_run_id: UUID
    chunk: Chunk
    waits: bool
    ended: bool
    started_at: datetime | None

    def is_active(self, now: datetime, *, idle: bool) -> bool:
        """Return whether it runs or waits for a worker; `idle` if no window is being landed."""
        is_silent = idle and self.started_at is not None and self.started_at < now - SILENCE
        return not self.ended and not is_silent


class ChunkRuns:
    """Runs of the back-fill's deployment on one pool."""

    def __init__(self, client: SyncPrefectClient, pool: str) -> None:
        self.pool = pool
        self._client = client
        self._deployment = self._find()

    def known(self, identity: BackfillIdentity) -> list[ChunkRun]:
        """Return the runs that were started for chunks of a back-fill."""
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[_tag(identity)]))
        found: list[FlowRun] = []
        while True:
            page = self._client.read_flow_runs(
                flow_run_filter=wanted, limit=PAGE, offset=len(found)
            )
            found += page
            if len(page) < PAGE:
                return [_read(run) for run in found]

    def any_active(self, identity: BackfillIdentity, now: datetime, *, idle: bool) -> bool:
        """Return whether any of its runs is under way or waits for a worker."""
        return any(run.is_active(now, idle=idle) for run in self.known(identity))

    def cancel_waiting(self, identity: BackfillIdentity) -> None:
        """Cancel the runs that have not started, because others have landed their windows."""
        for run in self.known(identity):
            if run.waits:
                nothing_left: State[Any] = Cancelled(message="Other runs have landed its windows.")
                self._client.set_flow_run_state(run.flow_run_id, nothing_left)

    def start(
        self,
        identity: BackfillIdentity,
        chunks: Sequence[Chunk],
        *,
        known: Sequence[ChunkRun],
        active: Sequence[ChunkRun],
        parameters: dict[str, Any],
    ) -> int:
        """Start a run for each chunk that has no active run; return how many were started.

        A run's key counts the earlier runs of its chunk, so that two commands at the same moment
        ask for the same run.
        """
        started = 0
        for chunk in chunks:
            if any(run.chunk.overlaps(chunk) for run in active):
                continue
            attempt = sum(run.chunk.overlaps(chunk) for run in known)
            self._client.create_flow_run_from_deployment(
                self._deployment,
                parameters={**parameters, "chunk": chunk.model_dump(mode="json")},
                idempotency_key=identity.key(chunk, attempt),
                tags=[_tag(identity)],
            )
            started += 1
        return started

    def _find(self) -> UUID:
        """Return the id of the back-fill flow's deployment on the pool."""
        found = self._client.read_deployments(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self.pool])),
        )
        if not found:
            raise ConfigurationError(
                f"no deployment of {FLOW} is on a work pool {self.pool!r}: create both with "
                "nxp deploy, or name the pool it is on; nothing was started"
            )
        return found[0].id


@contextmanager
def opened(pool: str) -> Iterator[ChunkRuns]:
    """Yield the chunk runs of a pool, as the Prefect server has them.

    Raises:
        ConfigurationError: the back-fill has no deployment on the pool.
        UnavailableError: the server cannot be reached, or refuses.
    """
    try:
        with get_client(sync_client=True) as client:
            yield ChunkRuns(client, pool)
    except PrefectHTTPStatusError as error:
        raise UnavailableError(
            f"the Prefect server answers HTTP {error.response.status_code}: see its log and "
            "PREFECT_API_AUTH_STRING; runs that were started continue"
        ) from None
    except httpx.HTTPError:
        raise UnavailableError(
            "the Prefect server cannot be reached (PREFECT_API_URL): runs that were started "
            "continue, and the same command shows how far they are"
        ) from None


def _tag(identity: BackfillIdentity) -> str:
    return f"nxp-backfill:{identity.digest()}"


def _read(run: FlowRun) -> ChunkRun:
    return ChunkRun(
        run.id,
        Chunk.model_validate(run.parameters["chunk"]),
        waits=run.state is not None and run.state.is_scheduled(),
        ended=run.state is not None and run.state.is_final(),
        started_at=run.start_time,
    )
