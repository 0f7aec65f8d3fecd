"""A plan of a sync as a person reviews it: fields, frequent pairs, whole examples, last plans.

It has values of people, except `fields_markdown`, and is for its owner only. It reads the file as
it is: words of actions and columns that it does not know are shown like the others.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.counting import number_doing, number_of
from connectors.lake import Lake
from connectors.lake.plans import keep_plan
from connectors.lake.storage import storage_errors
from connectors.ledger import Ledger, PlanRecord, PlanState
from connectors.ledger.enriched import ValueState
from tasks.runs import page
from tasks.runs.artifact import show_plan
from tasks.sync.plan_file import SyncPlan
from tasks.sync.plan_rows import MET

PAIRS: Final = 20
EXAMPLES: Final = 10
_LAST_PLANS: Final = 10
_BAR: Final = 40
# Pairs are counted in memory, in this many rows at the beginning of a plan.
_MOST_ROWS: Final = 250_000
_KNOWN: Final = ("set", "change", "overwrite", "restore", "clear", "settle", "theirs")
_WAITING, _REJECTED, _THEIRS = "waiting", "rejected", "theirs"
_NOTHING: Final = "(nothing)"
_EMPTY: Final = "(empty)"
_PAIR: Final = ("field", "action", "before", "after")
# So many changes of each field are shown, however rare.
_OF_EACH: Final = 3
# How many different values a field gets, and how many of these are held: none, if they belong
# into another column; all, if they only go to other objects.
_DIFFERENT, _IN_IT = "different", "held"
_LEGEND: Final = (
    f"{_DIFFERENT}: how many different values the field gets. {_IN_IT}: how many of these it holds "
    "now, on any object of the plan. None may mean that they belong into another column; all, that "
    "they only moved to other objects."
)
_NO_ACTION: Final = ("field", _DIFFERENT, _IN_IT, _WAITING, _REJECTED)


@dataclass(frozen=True, slots=True)
class PlanView:
    """One plan.

    Attributes:
        record: of the plan.
        fields: for each field the count of each action, how many different values it gets and how
            many of these it has now, and the values that wait or are rejected.
        pairs: the most frequent old and new values of a field, with their counts.
        examples: all rows of some objects.
        last: when earlier plans were made, and how many objects and values they had.
    """

    record: PlanRecord
    fields: list[dict[str, Any]]
    pairs: list[dict[str, Any]] = field(repr=False)
    examples: list[dict[str, Any]] = field(repr=False)
    last: list[dict[str, Any]] = field(default_factory=list)

    @property
    def findings(self) -> list[str]:
        """What the guards found, a line for each."""
        found = self.record.summary.get("findings", ())
        return [f"guard {each['guard']}: {each['text']}" for each in found]

    @property
    def verdict(self) -> str:
        """What the plan does and what stops it, in one line."""
        summary = self.record.summary
        totals = Counter[str]()
        for each in self.fields:
            totals.update({name: n for name, n in each.items() if name in _sent(each)})
        theirs = totals.pop(_THEIRS, 0)
        said = ", ".join(f"{count:,} {name}" for name, count in totals.items() if count)
        text = f"{number_of(summary['rows'], 'value')} of {number_of(summary['keys'], 'object')}"
        text = f"{text}: {said}" if said else f"{text}: nothing to send"
        if theirs:
            verbs = ("of others differs and is", "of others differ and are")
            text += f"; {number_doing(theirs, 'value', *verbs)} left alone"
        tripped = [each["guard"] for each in summary.get("findings", ())]
        open_ = [name for name in tripped if name not in self.record.accepted]
        if open_:
            text += f"; nothing is sent unless a person accepts: guard {', '.join(open_)}"
        state = self.record.state
        return text if state == PlanState.PLANNED else f"{text}; this plan is {state}"


def view_plan(plan: SyncPlan, ledger: Ledger) -> PlanView:
    """Return a plan as a person reviews it.

    Raises:
        StaleError: its file is gone, or is not the one that was planned.
    """
    plan.check()
    return PlanView(
        plan.record,
        _fields(plan.path, plan.record.sync, ledger),
        _pairs(plan.path),
        _examples(plan.path),
        [
            {
                "created_at": each.created_at,
                "state": each.state,
                "objects": each.keys,
                "values": each.summary["rows"],
            }
            for each in ledger.plans.of(plan.record.sync, limit=_LAST_PLANS)
        ],
    )


def review(ledger: Ledger, lake: Lake, plan: SyncPlan, scratch: Path) -> PlanView:
    """Write the page next to a plan that was just made, and show it in Prefect without values.

    Raises:
        PipelineError: it cannot be written.
    """
    view = view_plan(plan, ledger)
    write_page(lake, view, scratch)
    show_plan("sync", ledger.tenant, view.record.sync, fields_markdown(view))
    return view


def page_path(location: str) -> str:
    """Return the path of the page next to a plan's file."""
    return f"{location.removesuffix('.parquet')}.html"


def write_page(lake: Lake, view: PlanView, scratch: Path) -> str:
    """Write a plan's page next to its file, readable by its owner only; return where it is."""
    path = page_path(view.record.location)
    staged = scratch / path.rpartition("/")[2]
    with storage_errors(staged):
        staged.write_text(plan_page(view), "utf-8")
    keep_plan(lake, staged, path)
    return lake.location(path)


def plan_page(view: PlanView) -> str:
    """Return a plan's page, in one file."""
    most = max((int(each["values"]) for each in view.last), default=0)
    last = [
        (
            f"{each['created_at']:%Y-%m-%d %H:%M}",
            each["state"],
            each["objects"],
            each["values"],
            "█" * (round(_BAR * int(each["values"]) / most) if most else 0),
        )
        for each in view.last
    ]
    return page.page(
        f"{view.record.sync}: plan {view.record.plan_id}",
        page.paragraph(view.verdict, "verdict"),
        *(page.paragraph(line) for line in view.findings),
        page.heading("Fields"),
        _table(view.fields),
        page.paragraph(_LEGEND, "note"),
        page.heading(f"The {PAIRS} most frequent changes"),
        _table(view.pairs),
        page.heading(f"{EXAMPLES} whole objects"),
        _table(view.examples),
        page.heading("The last plans"),
        page.table(["made", "state", "objects of a full pull", "values", ""], last),
        page.paragraph(
            "Values are personal data. The plan's file is what is sent; this page is made from it.",
            "note",
        ),
    )


def fields_markdown(view: PlanView) -> str:
    """Return the verdict and the counts of each field, without any value."""
    lines = [f"**{view.record.sync}**, plan `{view.record.plan_id}`: {view.verdict}"]
    lines += [line for finding in view.findings for line in ("", f"- {finding}")]
    if view.fields:
        names = list(view.fields[0])
        lines += ["", f"| {' | '.join(names)} |", f"|---{'|---:' * (len(names) - 1)}|"]
        lines += [f"| {' | '.join(map(_number, row.values()))} |" for row in view.fields]
    return "\n".join(lines)


def _fields(path: Path, sync: str, ledger: Ledger) -> list[dict[str, Any]]:
    counted = _scan(path).group_by("field", "action").len().collect()
    numbers = {(name, action): int(count) for name, action, count in counted.iter_rows()}
    left: Counter[tuple[str, str]] = Counter()
    for each in ledger.enriched.left_over(sync):
        if each.state in MET:
            # The plan's own rows say what is left to others.
            continue
        kind = _REJECTED if each.state == ValueState.REJECTED else _WAITING
        left[each.field, kind] += each.values
    kinds = _kinds(path)
    found = {action for _, action in numbers}
    actions = [each for each in _KNOWN if each in found] + sorted(found - {*_KNOWN})
    names = sorted({name for name, _ in (*numbers, *left)})
    return [
        {
            "field": name,
            **{action: numbers.get((name, action), 0) for action in actions},
            **dict(zip((_DIFFERENT, _IN_IT), kinds.get(name, (0, 0)), strict=True)),
            **{kind: left[name, kind] for kind in (_WAITING, _REJECTED)},
        }
        for name in names
    ]


def _kinds(path: Path) -> dict[str, tuple[int, int]]:
    """Return by field how many different values are sent, and how many of these it has now."""
    rows = _scan(path).head(_MOST_ROWS)
    sent = rows.filter((pl.col("action") != _THEIRS) & (pl.col("after") != ""))
    sent = sent.select("field", value="after").unique()
    now = rows.select("field", value="before", is_in=pl.lit(value=True)).unique()
    counted = sent.join(now, on=["field", "value"], how="left").group_by("field")
    found = counted.agg(pl.len(), pl.col("is_in").count()).collect()
    return {name: (different, known) for name, different, known in found.iter_rows()}


def _pairs(path: Path) -> list[dict[str, Any]]:
    """Return the most frequent changes and some of each field; what is not sent comes last."""
    is_left = pl.col("action") == _THEIRS
    ranked = (
        _scan(path)
        .head(_MOST_ROWS)
        .group_by(_PAIR)
        .len("values")
        .sort(is_left, "values", *_PAIR, descending=[False, True, *[False] * len(_PAIR)])
        .with_row_index("rank")
    )
    is_first = pl.col("rank").rank("ordinal").over("field") <= _OF_EACH
    frequent = ranked.filter((pl.col("rank") < PAIRS) | is_first).collect()
    return [_spelled(row) for row in frequent.select("values", *_PAIR).iter_rows(named=True)]


def _examples(path: Path) -> list[dict[str, Any]]:
    """Return the rows of objects from all over the plan, one of each action first."""
    rows = _scan(path)
    first = rows.group_by("action").agg(pl.col("key").min()).collect()["key"]
    count = int(rows.select(pl.len()).collect().item())
    places = [count * number // EXAMPLES for number in range(EXAMPLES)]
    spread = rows.select("key").with_row_index("row").filter(pl.col("row").is_in(places))
    chosen = list(dict.fromkeys([*first.sort(), *spread.collect()["key"]]))[:EXAMPLES]
    found = rows.filter(pl.col("key").is_in(chosen)).sort("key", "field").collect()
    return [_spelled(row) for row in found.drop("identity", strict=False).iter_rows(named=True)]


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, hive_partitioning=False)


def _spelled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row in which no value and an empty one differ."""
    known = {None: _NOTHING, "": _EMPTY}
    return {
        name: known.get(value, value) if name in ("before", "after") else value
        for name, value in row.items()
    }


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return page.paragraph("none", "note")
    return page.table(list(rows[0]), [list(row.values()) for row in rows])


def _sent(row: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in row if name not in _NO_ACTION)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"`{value}`"
