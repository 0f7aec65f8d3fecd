"""Examples that `--help` shows below the options of a command."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, str]] = {
    "enrich": (
        "FILE is "
        '{"enrichments": [{"identification": [{"name": "device/device/name", "value": "PC-1"}], '
        '"fields": [{"name": "device/device/#asset_tag", "value": "A1"}]}], "domain": "cmdb"}. '
        "Example: nxp enrich --template > request.json; nxp enrich request.json --domain cmdb"
    ),
    "remote-actions execute": (
        "Example: nxp remote-actions execute get_disk_usage --devices devices.txt --wait 10m"
    ),
    "remote-actions executions": (
        "Example: nxp remote-actions executions --query my_executions -p name=get_disk_usage"
    ),
    "workflows list": "Example: nxp workflows list --dependency DEVICE --active --source desk",
    "workflows show": "Example: nxp workflows show disk_space_relief --source desk",
    "workflows trigger": (
        "Example: nxp workflows trigger disk_space_relief --devices devices.csv "
        "-p threshold_gb:=5 --wait 10m"
    ),
    "workflows resume": (
        "Example: nxp workflows resume device_replacement EXECUTION -p approved:=true --wait 10m"
    ),
    "workflows executions": (
        "Example: nxp workflows executions --query my_executions -p workflow=disk_space_relief"
    ),
    "campaigns trigger": (
        "Example: nxp campaigns trigger restart_reminder --file people.csv "
        "(columns: sid,days_since_restart,deadline)"
    ),
    "spark handoff": (
        "Example: nxp spark handoff --user ann@example.com --message 'It does not print.'"
    ),
    "devices plan": "Example: nxp devices plan --file old.csv (columns: collectorUid, or name)",
    "devices delete": "Example: nxp devices delete --plan PLAN --hash HASH --wait 10m",
    "campaigns responses": (
        "Example: nxp campaigns responses --query my_responses -p campaign=restart_reminder"
    ),
}
