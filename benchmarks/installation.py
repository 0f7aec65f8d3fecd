"""An installation in a folder, as benchmarks use one: its settings, and files of its catalogue."""

from pathlib import Path
from typing import Any

TENANT = "bench.eu"


def settings_in(folder: Path, url: str = "") -> dict[str, str]:
    """Return the variables of an installation in a folder; `url` is where its tenant answers."""
    variables = {
        "NXP_HOME": str(folder / "home"),
        "NXP_LAKE": str(folder / "lake"),
        "NXP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
        "NXP_CATALOG": str(folder / "catalog"),
        "NEXTHINK_INSTANCE": "bench",
        "NEXTHINK_REGION": "eu",
        "NEXTHINK_CLIENT_ID": "bench",
        "NEXTHINK_CLIENT_SECRET": "bench",
    }
    return variables | ({"NEXTHINK_API_URL": url, "NEXTHINK_LOGIN_URL": url} if url else {})


def write_dataset(folder: Path, specification: dict[str, Any], query: str) -> None:
    """Write a dataset and its saved query into the catalogue of the installation in a folder."""
    import yaml

    for kind, name, text in (
        ("datasets", f"{specification['dataset']}.yaml", yaml.safe_dump(specification)),
        ("queries", f"{specification['query_id'].removeprefix('#')}.nql", query),
    ):
        (folder / "catalog" / kind).mkdir(parents=True, exist_ok=True)
        (folder / "catalog" / kind / name).write_text(text)
