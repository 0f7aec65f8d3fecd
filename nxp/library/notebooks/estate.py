# Five questions about the estate, answered from what has landed, as charts (a marimo notebook)
import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The estate")

with app.setup:
    import altair as alt
    import marimo as mo
    import polars as pl

    from connectors.errors import PipelineError
    from nxp.lake import open_lake


@app.cell
def _():
    lake = open_lake()
    mo.md(f"""
    # The estate

    From `{lake.location}`, where {len(lake.datasets)} datasets have landed. Each chart answers one
    question of `nxp ask`; its SQL is below it, to be changed in a cell of your own.
    """)
    return (lake,)


@app.function
def chart_of(answer):
    """Draw an answer as its question says: bars, or lines over time."""
    hint = answer.question.chart
    base = alt.Chart(answer.frame).properties(width="container")
    color = alt.Color(hint.by) if hint.by else alt.Undefined
    what = {"type": "quantitative", "title": hint.y.replace("_", " ")}
    if isinstance(answer.frame.schema[hint.x], pl.Date | pl.Datetime):
        day = alt.X(hint.x, type="temporal", title=None, axis=alt.Axis(format="%-d %b"))
        marks = base.mark_line(point=True) if hint.kind == "line" else base.mark_bar()
        return marks.encode(x=day, y=alt.Y(hint.y, **what), color=color).properties(height=260)
    # Names are readable next to bars, and not below them.
    name = alt.Y(hint.x, type="nominal", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    bars = base.mark_bar().encode(x=alt.X(hint.y, **what), y=name, color=color)
    return bars.properties(height=alt.Step(22))


@app.function
def shown(lake, name):
    """Return a question's title, chart and SQL; or what has to land before it has an answer."""
    try:
        answer = lake.ask(name)
    except PipelineError as error:
        return mo.callout(str(error), kind="warn")
    question = answer.question
    head = mo.md(f"## {question.title}\n\n{question.text}")
    sql = mo.accordion({"SQL": mo.md(f"```sql\n{question.sql}\n```")})
    if answer.frame.is_empty():
        return mo.vstack([head, mo.callout("The answer has no rows."), sql])
    return mo.vstack([head, mo.ui.altair_chart(chart_of(answer)), sql])


@app.cell
def _(lake):
    shown(lake, "crashes_per_1000_devices")
    return


@app.cell
def _(lake):
    shown(lake, "operating_systems")
    return


@app.cell
def _(lake):
    shown(lake, "boot_duration_by_week")
    return


@app.cell
def _(lake):
    shown(lake, "slow_logins")
    return


@app.cell
def _(lake):
    shown(lake, "cpu_by_entity")
    return


@app.cell
def _():
    mo.md("""
    ## A question of your own

    Any SELECT over the views of `nxp sql`. The frame is Polars; `lake.polars("crashes")` is the
    dataset itself, read lazily.
    """)
    return


@app.cell
def _(lake):
    if "devices" in lake.datasets:
        models = lake.duckdb().sql("""
            SELECT model, count(*) AS devices
            FROM devices GROUP BY model ORDER BY devices DESC LIMIT 10
        """)
        table = models.pl()
    else:
        table = mo.callout("devices has not landed yet: nxp export devices", kind="warn")
    table
    return


if __name__ == "__main__":
    app.run()
