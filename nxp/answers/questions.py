"""Answers of `nxp ask`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from nxp.answers.sources import ours


@dataclass(frozen=True, slots=True)
class ChartShown:
    """How to draw an answer."""

    kind: Annotated[str, ours("line, bar or table.")]
    x: Annotated[str | None, ours("The column from left to right.")]
    y: Annotated[str | None, ours("The column of the values.")]
    by: Annotated[str | None, ours("The column that each line or colour stands for.")]


@dataclass(frozen=True, slots=True)
class QuestionShown:
    """One question that can be asked."""

    name: Annotated[str, ours("Its name, for nxp ask.")]
    title: Annotated[str, ours("The question in a few words.")]
    text: Annotated[str, ours("What it answers, and how to read the answer.")]
    chart: Annotated[ChartShown | None, ours("How to draw the answer, if the file says so.")]
    datasets: Annotated[tuple[str, ...], ours("The datasets that it reads.")]
    missing: Annotated[tuple[str, ...], ours("Those of them that have not landed yet.")]
    file: Annotated[str, ours("Its file.")]


@dataclass(frozen=True, slots=True)
class ReachShown:
    """The time that the rows of a dataset are about: what is later has not landed."""

    dataset: Annotated[str, ours("The dataset.")]
    starts_at: Annotated[
        datetime, ours("Begin of its first window; of a snapshot, when the newest was exported.")
    ]
    ends_at: Annotated[datetime, ours("End of its last window; the same of a snapshot.")]
    has_gaps: Annotated[bool, ours("Whether a window in between has not landed.")]


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    """A question and its answer."""

    name: Annotated[str, ours("Its name, for nxp ask.")]
    title: Annotated[str, ours("The question in a few words.")]
    text: Annotated[str, ours("What it answers, and how to read the answer.")]
    chart: Annotated[ChartShown | None, ours("How to draw the answer, if the file says so.")]
    datasets: Annotated[tuple[str, ...], ours("The datasets that it reads.")]
    file: Annotated[str, ours("Its file.")]
    sql: Annotated[str, ours("The SELECT that was run.")]
    rows: Annotated[list[dict[str, Any]], ours("The answer: each row by column.")]
    reaches: Annotated[list[ReachShown], ours("How far each dataset reaches.")]
