"""docs/questions.md: how to ask, how to write a question, and those of the library."""

import sys
from typing import Final

from connectors.lake.questions import read_questions
from nxp.library import LIBRARY

COMMAND: Final = "python -m nxp.questions_page > docs/questions.md"
_BEGINNING: Final = """\
# Questions about the estate

A question is a file of SQL with a title and a text for the person who reads the answer. The
library has the questions below; a project may change them and add its own. This page is made by
`COMMAND`, and a test compares it.

## Ask

```console
$ nxp ask                       # all questions, and whether their data has landed
$ nxp ask windows_builds        # the title, how to read the answer, and the answer
$ nxp ask windows_builds --json # for a program: also the SQL and how to draw the answer
$ nxp ask windows_builds --sql  # the SQL, for nxp sql or for a file of your own
```

An answer is worked out from what has landed, read-only; the tenant is not asked. A line below it
shows how far the data reach, such as `made of crashes from 2026-11-03 00:00Z to 2026-11-30 00:00Z`:
what is later, or in a gap, is not in the answer. If a dataset has not landed, the command names
what to run, and ends with 3:

```
nxp: windows_builds: devices has not landed yet: nxp add devices; nxp export devices
```

`nxp add` copies a question into the project's folder `questions/` once the project has all datasets
that it reads. Answers of the library's questions have no column that a dataset marks as personal;
devices are named.

## Write one

Put a file into `questions/` of the project. The file's name, in lower-case letters, digits and
`_`, is the question's name. A file with the name of a question of the library takes its place.

```sql
-- title: Devices by country
-- text: How many devices each country has, by the newest inventory. Devices
--   without a country are counted in a row of their own.
-- chart: bar x=country y=devices
SELECT country, count(*) AS devices
FROM devices
GROUP BY country
ORDER BY devices DESC, country
```

- The comments at the head hold the keys `title` (needed), `text` and `chart`. Two spaces after `--`
  continue the line above.
- `chart` is `line`, `bar` or `table`, with the columns `x=…` and `y=…`; `by=…` is the column that
  each line or colour stands for. It is a hint for programs that draw; `nxp ask` prints a table.
- One SELECT of DuckDB follows, over the views of `nxp sql` ([lake](lake.md)): `devices` is the
  newest inventory, `devices_history` all of them. Comments are welcome below its first line.
- `date` is the day of a row: in UTC for windows, in the tenant's zone for slices.
- End with an ORDER BY that decides the place of every row, so that two answers can be compared.

`nxp check` validates the files: a mistake is one line with the file and the line number. It also
notes datasets, columns and charts that do not fit what the datasets land, before any has landed.

## What no column answers

- **Worn batteries**: no field of NQL has it. Run a remote action that reads it; what it returns is
  in `outputs` of `remote_action_executions`.
- **Programs without a licence**: Nexthink knows use (`software_metering`) and installations
  (`installed_packages`). How many licences were bought is in a list of your own.
- **Entries of the CMDB without a device**: `nxp plan cmdb_devices` sends nothing; afterwards
  `nxp rejects cmdb_devices --raw` lists them as `unmatched`.
- **Renamed devices**, as soon as two inventories have landed: `SELECT device_uid FROM
  devices_history GROUP BY ALL HAVING count(DISTINCT device_name) > 1`.
- **Devices that did nothing of a kind**: `FROM devices WHERE device_uid NOT IN (SELECT device_uid
  FROM boots WHERE booted_at >= current_date - 7)`.
- **Today**: a window lands once it is over. With `step: 1d` that is the next day; with `step: 1h`
  and an hourly `schedule` in the dataset's file, an hour later, at the price of more exports.

## Questions of the library

| name | title | reads |
|---|---|---|
"""


def page() -> str:
    """Return the text of docs/questions.md."""
    questions, _ = read_questions(LIBRARY)
    rows = []
    for each in questions:
        datasets = ", ".join(f"`{name}`" for name in each.datasets())
        rows.append(f"| `{each.name}` | {each.title} | {datasets} |\n")
    return _BEGINNING.replace("COMMAND", COMMAND) + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(page())
