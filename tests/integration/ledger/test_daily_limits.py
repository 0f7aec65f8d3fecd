"""What a tenant takes in 24 hours: counted, kept to, learned, and who gets the rest."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from connectors.errors import LimitReachedError, UnknownQueryError
from connectors.ledger import Asker, CallKind, Ledger, open_ledger
from connectors.ledger.engine import MIGRATIONS
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from nxp.commands.backfill import say_plan
from nxp.doctor.asked import look_at_limits
from tasks.land.asked import Asked
from tasks.land.estimate import estimate
from tasks.land.plan import plan_run
from tasks.runs.counted import call_gate
from tasks.stories.export import export_dataset
from tests.landing import Place, place

LIMIT = 24
DAY = timedelta(hours=24)


@dataclass
class Exporters:
    """Processes of one installation that start exports, one after the other."""

    made: Place
    stack: ExitStack
    opened: dict[Asker, tuple[NexthinkClient, Ledger]] = field(default_factory=dict)
    accepted: list[datetime] = field(default_factory=list)
    refused: int = 0

    def now(self) -> datetime:
        return self.made.tenant.clock.now()

    def sleep(self, seconds: float) -> None:
        self.made.tenant.clock.advance(timedelta(seconds=seconds))

    def client(self, asker: Asker = Asker.PERSON) -> tuple[NexthinkClient, Ledger]:
        """Return what a process of this asker has opened."""
        if asker not in self.opened:
            settings, tenant = load_settings(), load_tenant(load_settings())
            url = settings.ledger_url.get_secret_value()
            ledger = self.stack.enter_context(open_ledger(url, tenant.name, self.now))
            gate = call_gate(ledger, tenant, self.now, self.sleep, asker)
            self.stack.enter_context(closing(gate))
            client = NexthinkClient(tenant, None, self.now, self.sleep, gate=gate)
            self.opened[asker] = self.stack.enter_context(client), ledger
        return self.opened[asker]

    def export(self, asker: Asker = Asker.PERSON) -> LimitReachedError | None:
        """Start an export; return why it could not be started."""
        asked = self.made.tenant.requests["export"]
        try:
            self.client(asker)[0].nql.start_export("#tiny")
        except LimitReachedError as error:
            self.refused += self.made.tenant.requests["export"] - asked
            return error
        self.accepted.append(self.now())
        return None


@pytest.fixture
def exporters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exporters]:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "tiny.nql").write_text("devices | list name | limit 1")
    options = {"daily_exports": LIMIT, "daily_executes": 3, "devices": 5}
    with place(tmp_path, queries=tmp_path / "queries", **options) as made, ExitStack() as stack:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield Exporters(made, stack)


@pytest.mark.parametrize(("is_set", "seed"), [(True, 1), (False, 2)])
def test_random_schedules_never_ask_in_vain_and_people_come_first(
    exporters: Exporters, monkeypatch: pytest.MonkeyPatch, is_set: bool, seed: int
) -> None:
    if is_set:
        monkeypatch.setenv("NEXTHINK_DAILY_EXPORTS", str(LIMIT))
    else:
        # The tenant has to say it once.
        while exporters.export(Asker.SCHEDULE) is None:
            pass
        assert (len(exporters.accepted), exporters.refused) == (LIMIT, 1)
        exporters.sleep(DAY.total_seconds() + 120)
    chance, blocked = random.Random(seed), 0
    people: list[datetime] = []
    for _ in range(110):
        exporters.sleep(chance.expovariate(1 / 1200))
        asker = chance.choice([each for each in Asker if each is not Asker.PERSON])
        blocked += exporters.export(asker) is not None
        # A few times a day a person types a command.
        recent = [moment for moment in people if moment > exporters.now() - DAY]
        if len(recent) < 3 and chance.random() < 0.06:
            assert exporters.export(Asker.PERSON) is None
            people.append(exporters.now())
    assert blocked > 10
    assert len(people) > 2
    # No request beyond the limit was sent at all, except the one that it was learned from.
    assert exporters.refused == (0 if is_set else 1)
    for moment in exporters.accepted:
        assert sum(moment - DAY < each <= moment for each in exporters.accepted) <= LIMIT


def test_little_is_left_to_those_who_come_first(
    exporters: Exporters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTHINK_DAILY_EXPORTS", "24")
    first = exporters.now()
    for asker in reversed(Asker):
        while (stopped := exporters.export(asker)) is None:
            pass
        assert len(exporters.accepted) == LIMIT - 3 * asker
        assert ("the last" in str(stopped)) is (asker is not Asker.PERSON)
    assert isinstance(stopped, LimitReachedError)
    # One line: what is used up, and when it is free again.
    assert stopped.exit_code == 5
    assert str(stopped).startswith("24 of 24 exports in 24 hours (NEXTHINK_DAILY_EXPORTS) are used")
    assert stopped.not_before is not None
    assert DAY <= stopped.not_before - first < DAY + timedelta(minutes=2)
    exporters.sleep((stopped.not_before - exporters.now()).total_seconds() - 5)
    assert exporters.export() is not None
    exporters.sleep(6)
    assert exporters.export() is None
    assert exporters.refused == 0


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (1, [0, 0, 0, 0, 0]),
        (3, [0, 1, 2, 2, 2]),
        (24, [0, 3, 6, 9, 12]),
        (50_000, [0, 50, 100, 150, 200]),
    ],
)
def test_what_is_kept_leaves_one_for_everybody_and_does_not_waste_a_large_limit(
    limit: int, kept: list[int]
) -> None:
    assert [asker.kept(limit) for asker in Asker] == kept


def test_a_limit_of_one_kind_leaves_the_others_alone_and_refusals_are_not_counted(
    exporters: Exporters,
) -> None:
    client, ledger = exporters.client()
    with pytest.raises(UnknownQueryError):
        client.nql.start_export("#nothing")
    assert ledger.limits.made(CallKind.EXPORTS) == 0
    for _ in range(3):
        client.nql.execute("#tiny", row_limit=None)
    started = client.nql.start_export("#tiny")
    with pytest.raises(LimitReachedError):
        client.nql.execute("#tiny", row_limit=None)
    asked = exporters.made.tenant.requests["execute"]
    client, _ = exporters.client(Asker.SCHEDULE)
    with pytest.raises(LimitReachedError, match="no more queries run at once: the next try"):
        client.nql.execute("#tiny", row_limit=None)
    # What was started can be awaited, and something else be started.
    client.nql.export_status(started.export_id)
    client.nql.start_export("#tiny")
    assert exporters.made.tenant.requests["execute"] == asked
    assert [ledger.limits.made(kind) for kind in (CallKind.EXPORTS, CallKind.EXECUTES)] == [2, 3]
    assert ledger.limits.known(CallKind.EXECUTES) == 3
    shown = [(each.level, each.what) for each in look_at_limits(ledger)]
    assert shown[0][1].startswith(
        "in the last 24 hours: 2 exports (advised: under 24), 3 queries run at once (the tenant "
        "takes 3), "
    )
    assert [what.split(" until")[0] for level, what in shown if level == "warn"] == [
        "the tenant takes no more queries run at once"
    ]
    ledger.forget_failures("anything")
    assert ledger.limits.known(CallKind.EXECUTES) is None


def test_a_date_that_our_own_requests_do_not_explain_teaches_no_number(
    exporters: Exporters,
) -> None:
    exporters.export()
    exporters.made.tenant.faults.retry_after = 3 * 3600
    exporters.made.tenant.faults.add("429-date@export:1")
    assert exporters.export(Asker.SCHEDULE) is not None
    exporters.sleep(1)
    # The date holds, and afterwards everything goes on as before.
    assert exporters.export() is not None
    assert exporters.refused == 1
    exporters.sleep(3 * 3600 + 2)
    assert [exporters.export(Asker.SCHEDULE) for _ in range(5)] == [None] * 5


def test_a_person_lands_what_a_schedule_had_to_leave(
    exporters: Exporters, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NEXTHINK_DAILY_EXPORTS", "8")
    shipped = Path(load_settings().catalog) / "queries" / "crashes.nql"
    (exporters.made.folder / "queries" / "crashes.nql").write_text(shipped.read_text())
    for _ in range(7):
        assert exporters.export(Asker.SCHEDULE) is None
    asked = Asked("crashes", "2026-11-18", "2026-11-19", is_scheduled=True)
    with pytest.raises(LimitReachedError, match=r"7 of 8 exports .* the last 1 are kept"):
        export_dataset(asked, exporters.now, exporters.sleep)
    typed = Asked("crashes", "2026-11-18", "2026-11-19")
    assert export_dataset(typed, exporters.now, exporters.sleep).plain()["state"] == "landed"
    assert "advises" not in caplog.text


def test_advice_is_a_warning_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "tiny.nql").write_text("devices | list name | limit 1")
    with place(tmp_path, queries=tmp_path / "queries", devices=5) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        with ExitStack() as stack:
            exporters = Exporters(made, stack)
            assert [exporters.export(Asker.SCHEDULE) for _ in range(27)] == [None] * 27
    warnings = [each.message for each in caplog.records if each.levelname == "WARNING"]
    (warning,) = warnings
    assert warning.startswith("more than 24 exports in 24 hours: the vendor advises")


def test_an_older_ledger_keeps_what_was_asked_today(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    older, now = create_engine(url), datetime.now(UTC)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with older.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        for hours in (1, 2, 30, 300):
            moment = f"{now - timedelta(hours=hours):%Y-%m-%d %H:%M:%S.%f}"
            connection.execute(
                text(
                    "INSERT INTO units (tenant, dataset, unit, starts_at, ends_at, state, "
                    "exported_at) VALUES ('acme.eu', 'd', :unit, :at, :at, 'landed', :at)"
                ),
                {"at": moment, "unit": f"u{hours}"},
            )
        connection.execute(
            text(
                "INSERT INTO limits (tenant, limited_until, day, calls) "
                "VALUES ('acme.eu', :later, :day, 70)"
            ),
            {
                "later": f"{now + DAY:%Y-%m-%d %H:%M:%S.%f}",
                "day": f"{now:%Y-%m-%d} 00:00:00.000000",
            },
        )
    older.dispose()
    with open_ledger(url, "acme.eu") as ledger:
        assert (ledger.limits.made(CallKind.EXPORTS), ledger.limits.calls_today()) == (2, 70)
        assert ledger.limits.limited_until() == now + DAY


def test_the_plan_of_a_back_fill_says_how_many_exports_it_takes_and_when_it_is_done(
    exporters: Exporters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        exporters.export()
    asked = Asked("crashes", "2026-11-16", "2026-11-20", step="6h")
    plan = plan_run(asked, exporters.now)
    monkeypatch.setenv("NEXTHINK_DAILY_EXPORTS", "12")
    limited = plan_run(asked, exporters.now)
    _, ledger = exporters.client()
    start = datetime(2026, 11, 15, tzinfo=UTC)
    with ledger.lease("crashes", "known", start, start + DAY, "run"):
        ledger.mark_landed("crashes", "known", "run", 200_000, start + DAY, 4)
    say_plan(plan, estimate(plan, ledger))
    say_plan(limited, estimate(limited, ledger))
    first, second = capsys.readouterr().err.split("crashes: 16 windows")[1:]
    assert "16 exports; 5 started in the last 24 hours by this ledger\n" in first
    assert "with --step 1d it would take 4 exports" in first
    assert "about 64 API calls (4.0 a window, as its earlier windows needed); " in first
    # Five are free again tomorrow morning, and seven that it starts itself a little later.
    assert "16 exports: 7 of your 12 exports today, done on Saturday\n" in second
