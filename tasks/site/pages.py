"""The pages of a site: facts into HTML by Jinja2, with one style sheet and one script for all.

Pages open from a disk: no module, no request, and nothing that is loaded from elsewhere.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from connectors.printable import printable
from tasks.site import charts
from tasks.site.answers import cell, digits, drawn, numeric
from tasks.site.facts import ColumnFacts, DatasetFacts, DayState, RunFacts, SiteFacts

ASSETS: Final = ("site.css", "site.js")
INDEX: Final = "search.js"
_SPARK_DAYS: Final = 30
_LEGEND: Final = (*DayState,)
_LISTED_RUNS: Final = 200
_THOUSAND: Final = 1000
_LEAST_SHARE: Final = 0.001


def write_pages(site: SiteFacts, folder: Path) -> int:
    """Write all files of a site into a folder; return the number of pages.

    Raises:
        OSError: the folder cannot be written.
    """
    pages = dict(_pages(site))
    (folder / "datasets").mkdir()
    for name, text in pages.items():
        (folder / name).write_text(text, "utf-8")
    for name in ASSETS:
        (folder / name).write_bytes(files("tasks.site").joinpath("templates", name).read_bytes())
    (folder / INDEX).write_text(_index(site), "utf-8")
    return len(pages)


def _pages(site: SiteFacts) -> Iterator[tuple[str, str]]:
    environment = _environment()

    def made(template: str, root: str = "", **names: Any) -> str:
        page = environment.get_template(f"{template}.html")
        return page.render(site=site, root=root, here=template, **names)

    pages = {each.name: each.page for each in site.datasets}
    yield "index.html", made("index", cards=[_card(each) for each in site.datasets])
    for each in site.datasets:
        yield f"datasets/{each.page}.html", made("dataset", "../", pages=pages, **_dataset(each))
    if site.questions:
        charted = {each.name: drawn(each) for each in site.questions}
        numbers = {each.name: numeric(each) for each in site.questions}
        points = {each.name: digits(each) for each in site.questions}
        yield (
            "questions.html",
            made("questions", drawn=charted, numeric=numbers, digits=points),
        )
    yield "joins.html", made("joins", picture=charts.joins(site.references, pages))
    yield "runs.html", made("runs", **_runs(site.runs, site.made_at))
    over_time = _over_time(site)
    yield "syncs.html", made("syncs", **over_time)
    yield "actions.html", made("actions", **over_time)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tasks.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finished,
    )
    environment.filters |= {
        "number": lambda value: "" if value is None else f"{value:,}",
        "bytes": _bytes,
        "when": _when,
        "share": _share,
        "took": _took,
        "value": _value,
        "cell": cell,
        "slug": lambda text: text.lower().replace(" ", "-"),
    }
    environment.globals["bins"] = _histogram
    return environment


def _finished(value: Any) -> Any:
    """Return what is printed: text without control characters, unless it is HTML already."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value)
    return "" if value is None else value


def _card(dataset: DatasetFacts) -> dict[str, Any]:
    landed = [day.rows for day in dataset.days[-_SPARK_DAYS:]]
    newest = [*[None] * (_SPARK_DAYS - len(landed)), *landed]
    label = f"Rows of the last {_SPARK_DAYS} days"
    return {
        "dataset": dataset,
        "spark": charts.sparkline(newest, label) if any(newest) else "",
        "missing": sum(day.state is DayState.MISSING for day in dataset.days),
    }


def _dataset(dataset: DatasetFacts) -> dict[str, Any]:
    days = dataset.days
    flawed = {DayState.MISSING, DayState.EXPIRED, DayState.PART, DayState.REJECTED}
    rows = [(str(day.date), day.rows) for day in days]
    return {
        "dataset": dataset,
        "calendar": charts.calendar(days),
        "in_words": charts.calendar_in_words(days),
        "legend": [state for state in _LEGEND if any(day.state is state for day in days)],
        "flawed": [day for day in days if day.state in flawed][::-1],
        "rows_per_day": charts.bars(rows, "Rows of each day") if any(r for _, r in rows) else "",
        "daily": [day for day in days if day.rows is not None][::-1],
    }


def _runs(runs: Sequence[RunFacts], now: datetime) -> dict[str, Any]:
    """Return what the page of runs shows of each of the last 30 days, and the newest runs."""
    days = [(now - timedelta(days=back)).date() for back in range(29, -1, -1)]
    of_day: dict[date, list[RunFacts]] = {day: [] for day in days}
    for run in runs:
        of_day.setdefault(run.started_at.astimezone(UTC).date(), []).append(run)
    table = [
        {
            "date": day,
            "runs": len(of_day[day]),
            "failed": sum(run.failed for run in of_day[day]),
            "rows": sum(run.rows or 0 for run in of_day[day]),
            "calls": sum(run.calls or 0 for run in of_day[day]),
            "minutes": round(sum(run.seconds or 0 for run in of_day[day]) / 60, 1),
        }
        for day in days
    ]

    def drawn(what: str, label: str) -> str:
        return charts.bars([(str(row["date"]), row[what]) for row in table], label)  # type: ignore[misc] # numbers, but for the date

    return {
        "table": [row for row in table[::-1] if row["runs"]],
        "rows": drawn("rows", "Rows landed on each day"),
        "minutes": drawn("minutes", "Minutes that runs took on each day"),
        "failed": drawn("failed", "Failed runs on each day"),
        "newest": runs[:_LISTED_RUNS],
    }


def _over_time(site: SiteFacts) -> dict[str, Any]:
    """Return how syncs and actions went by run, where there are two runs or more to compare.

    Of syncs these are convergence, of those that read back what they wrote, and objects sent; of
    actions a line for each outcome.
    """
    drawn: dict[str, dict[str, str]] = {"converging": {}, "changing": {}, "over_time": {}}
    for sync in site.syncs:
        label = f"Convergence of {sync.name} in percent"
        points = [("", _when(run.started_at), run.convergence) for run in sync.runs]
        drawn["converging"][sync.name] = _lines(points, label)
        sent = [(_when(run.started_at), run.objects) for run in sync.runs]
        known = [each for each in sent if each[1] is not None]
        if len(known) > 1:
            drawn["changing"][sync.name] = charts.bars(known, f"Objects that {sync.name} sent")
    for action in site.actions:
        counts = [
            (name, _when(run.started_at), run.counts.get(name))
            for run in action.runs
            if any(name in run.counts for name in action.outcomes)
            for name in action.outcomes
        ]
        drawn["over_time"][action.name] = _lines(counts, f"Outcomes of {action.name} by run")
    return {what: {name: made for name, made in of.items() if made} for what, of in drawn.items()}


def _lines(points: Sequence[tuple[str, str, float | None]], label: str) -> str:
    known = [each for each in points if each[2] is not None]
    return charts.line(known, label) if len({instant for _, instant, _ in known}) > 1 else ""


def _histogram(column: ColumnFacts) -> str:
    if not column.bins or column.edges is None:
        return ""
    least, most = column.edges
    width = (most - least) / len(column.bins)
    is_time = column.type in {"datetime", "date"}

    def named(number: int) -> str:
        start = least + number * width
        if is_time:
            return f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M}"
        return f"from {start:,.4g}"

    values = [(named(number), float(count)) for number, count in enumerate(column.bins)]
    return charts.histogram(values, f"Histogram of {column.name}")


def _index(site: SiteFacts) -> str:
    """Return the search index: a script, since a page from a disk may not fetch."""
    found: list[Mapping[str, str]] = []
    for dataset in site.datasets:
        said = " ".join([dataset.grain, dataset.description, dataset.topic, *dataset.tags])
        place = {"d": dataset.name, "p": dataset.page}
        found.append({**place, "t": dataset.title, "x": printable(said)})
        found += [
            {**place, "c": each.name, "x": printable(f"{each.description} {each.unit}")}
            for each in dataset.columns
        ]
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    # Within a script element of an editor's preview a closing tag would end it.
    text = text.replace("</", r"<\/")
    return f"window.SITE_INDEX={text};\n"


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _share(value: float | None) -> str:
    if value is None:
        return ""
    if not value:
        return "0 %"
    return f"{100 * value:.1f} %" if value >= _LEAST_SHARE else "< 0.1 %"


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest} s" if minutes else f"{seconds:.1f} s"


def _value(value: Any) -> str:
    """Return a least or most value: numbers grouped, times without their seconds."""
    if isinstance(value, str):
        return value[:16].replace("T", " ")
    if isinstance(value, float):
        return f"{value:,.6g}"
    return "" if value is None else f"{value:,}"


def _bytes(size: int) -> str:
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < _THOUSAND:
            break
        value, unit = value / _THOUSAND, larger
    return f"{value:,.3g} {unit}"
