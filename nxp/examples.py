"""Examples that `--help` shows below the options of a command.

Names are those of the catalogue and of the stand-in tenant. Words in capitals stand for ids that
another command prints.
"""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("nxp demo",),
    "sandbox": (
        "nxp sandbox",
        "nxp sandbox --devices 500 --days 60 --port 8090",
        "nxp sandbox --fault 500@export:2",
    ),
    "server start": ("nxp server start",),
    "server stop": ("nxp server stop",),
    "server status": ("nxp server status --json",),
    "stack up": ("nxp stack up", "nxp stack up --workers 3 -- --export-time 2"),
    "stack down": ("nxp stack down",),
    "stack status": ("nxp stack status",),
    "stack env": ('eval "$(nxp stack env)"',),
    "worker": ("nxp worker", "nxp worker nexthink --limit 2 --name second"),
    "init": (
        "nxp init exports --instance acme --region eu --time-zone Europe/Zurich",
        "nxp init trial --sandbox",
    ),
    "settings": ("nxp settings", "nxp settings --json"),
    "add": ("nxp add", "nxp add crashes boots", "nxp add --topic stability --dry-run"),
    "export": (
        "nxp export devices",
        "nxp export crashes --from 2026-11-01 --to 2026-11-08",
        "nxp export --all --dry-run",
    ),
    "backfill": (
        "nxp backfill crashes --from 2026-11-01 --to 2026-11-29",
        "nxp backfill crashes --from 2026-11-01 --to 2026-11-29 --on nexthink",
    ),
    "state show": ("nxp state show crashes",),
    "state accept": ("nxp state accept crashes --from 2026-11-01 --to 2026-11-02 --why outage",),
    "state audit": ("nxp state audit", "nxp state audit crashes --mark"),
    "state reset": ("nxp state reset crashes --from 2026-11-01",),
    "datasets": ("nxp datasets", "nxp datasets devices", "nxp datasets devices --nql"),
    "maintain": ("nxp maintain crashes --dry-run", "nxp maintain crashes --grace 1h"),
    "lake rewrite": ("nxp lake rewrite crashes --dry-run",),
    "lake duckdb": ("nxp lake duckdb lake.duckdb", "nxp lake duckdb lake.duckdb --relative"),
    "runs": ("nxp runs", "nxp runs crashes --limit 5"),
    "sql": (
        'nxp sql "SELECT platform, count(*) FROM devices GROUP BY ALL"',
        'nxp sql "FROM crashes" --out crashes.parquet',
        "nxp sql --file weekly.sql --format markdown",
        "nxp sql",
    ),
    "site": ("nxp site --out site", "nxp site --out /srv/www/nexthink --json"),
    "ask": ("nxp ask", "nxp ask crashes_per_1000_devices", "nxp ask slow_logins --sql"),
    "nql queries": (
        "nxp nql queries",
        "nxp nql queries devices",
        "nxp nql queries --to-paste --out queries.md",
    ),
    "nql lint": ("nxp nql lint", "nxp nql lint deployments/queries/devices.nql"),
    "nql diff": ("nxp nql diff", "nxp nql diff devices"),
    "nql execute": (
        "nxp nql execute full_disks",
        "nxp nql execute devices --csv",
    ),
    "nql export": ("nxp nql export devices", "nxp nql export devices --compression GZIP"),
    "nql status": ("nxp nql status EXPORT", "nxp nql status EXPORT --url"),
    "nql download": ("nxp nql download EXPORT --to devices.csv",),
    "remote-actions list": ("nxp remote-actions list --windows --api-enabled",),
    "remote-actions show": ("nxp remote-actions show get_disk_usage",),
    "remote-actions execute": (
        "nxp remote-actions execute get_disk_usage --devices ids.txt --wait 10m",
    ),
    "remote-actions executions": (
        "nxp remote-actions executions get_disk_usage",
        "nxp remote-actions executions --query my_executions -p name=get_disk_usage",
    ),
    "workflows list": ("nxp workflows list --dependency DEVICE --active --source desk",),
    "workflows show": ("nxp workflows show disk_space_relief --source desk",),
    "workflows trigger": (
        "nxp workflows trigger disk_space_relief --devices devices.csv --wait 10m",
        "nxp workflows trigger disk_space_relief --device ID -p threshold_gb:=5",
    ),
    "workflows resume": ("nxp workflows resume device_replacement EXECUTION -p approved:=true",),
    "workflows executions": (
        "nxp workflows executions disk_space_relief",
        "nxp workflows executions --query mine -p workflow=disk_space_relief",
    ),
    "campaigns trigger": ("nxp campaigns trigger restart_reminder --file people.csv",),
    "campaigns responses": (
        "nxp campaigns responses restart_reminder",
        "nxp campaigns responses --query mine -p campaign=restart_reminder",
    ),
    "spark handoff": ("nxp spark handoff --user ann@example.com --message 'It does not print.'",),
    "devices plan": ("nxp devices plan --file old.csv",),
    "devices approve": ("nxp devices approve --plan PLAN --who ann --why 'sold'",),
    "devices delete": ("nxp devices delete --plan PLAN --hash HASH --wait 10m",),
    "devices status": ("nxp devices status", "nxp devices status --plan PLAN --refresh"),
    "plan": ("nxp plan cmdb_devices", "nxp plan show cmdb_devices"),
    "apply": ("nxp apply cmdb_devices", "nxp apply cmdb_devices --plan PLAN"),
    "sync": ("nxp sync cmdb_devices", "nxp sync hr_users --full --approve"),
    "undo": ("nxp undo PLAN",),
    "retry": ("nxp retry cmdb_devices",),
    "act plan": (
        "nxp act plan free_disk_space",
        "nxp act plan restart_service --device ID --ticket INC-1",
    ),
    "act show": ("nxp act show free_disk_space", "nxp act show free_disk_space --plan PLAN"),
    "act approve": ("nxp act approve free_disk_space --who ann --why 'disks are full'",),
    "act run": (
        "nxp act run free_disk_space --dry-run",
        "nxp act run free_disk_space --plan PLAN --hash HASH",
    ),
    "act self-help": ("nxp act self-help restart_agreed",),
    "act status": ("nxp act status", "nxp act status free_disk_space --refresh"),
    "act resolve": ("nxp act resolve REQUEST --as not-sent --why 'not in the tenant'",),
    "act retire-ledger": ("nxp act retire-ledger LEDGER --why 'moved to PostgreSQL'",),
    "enrich": (
        "nxp enrich --template > request.json",
        "nxp enrich request.json --domain cmdb",
    ),
    "schema learn": (
        "nxp schema learn crashes",
        "nxp schema learn boots --query-id boots --out boots.yaml",
    ),
    "schema print": ("nxp schema print dataset",),
    "schema answers": ("nxp schema answers export", "nxp schema answers"),
    "rejects": ("nxp rejects crashes", "nxp rejects crashes --rows"),
    "replay": ("nxp replay crashes --run RUN --dry-run",),
    "check": ("nxp check", "nxp check --connect"),
    "deploy": (
        "nxp deploy --dry-run",
        "nxp deploy",
        "nxp deploy --activate cmdb-devices-sync",
    ),
    "doctor": ("nxp doctor", "nxp doctor --json"),
    "--install-completion": (
        "nxp --install-completion",
        "nxp --install-completion --shell zsh",
    ),
}
# What an example does not show: how its file looks.
NOTES: Final[Mapping[str, str]] = {
    "campaigns trigger": "The columns of people.csv are sid, days_since_restart, deadline.",
    "devices plan": "The column of old.csv is collectorUid, or name.",
    "enrich": (
        'FILE is {"enrichments": [{"identification": [{"name": "device/device/name", '
        '"value": "PC-1"}], "fields": [{"name": "device/device/#asset_tag", "value": "A1"}]}], '
        '"domain": "cmdb"}.'
    ),
}


def epilogue(command: str) -> str | None:
    """Return what `--help` of a command, such as `nql status`, ends with; None if nothing."""
    examples = EXAMPLES.get(command)
    if not examples:
        return None
    head = "Example:" if len(examples) == 1 else "Examples:"
    lines = [head, "", *(f"    {example}" for example in examples)]
    note = NOTES.get(command)
    return "\n".join([*lines, "", note] if note else lines)
