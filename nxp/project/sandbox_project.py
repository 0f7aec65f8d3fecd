"""A project that runs at once: its tenant is the sandbox, with datasets of the library."""

from pathlib import Path
from typing import Final

from nxp.library.contents import Library
from nxp.processes import LOOPBACK, is_free
from nxp.project.copying import plan_copies
from nxp.project.making import project_files
from sandbox.options import SandboxOptions

DATASETS: Final = ("devices", "users", "crashes")
_KEPT_IN: Final = ".nxp/sandbox.secret"
# API, login, results and ServiceNow.
PORTS: Final = 4
_FIRST_PORT: Final = 8480
_LAST_PORT: Final = 8980
_BEGIN: Final = """\
The tenant of this project is a stand-in on this machine: it makes up devices, people and events.

```
nxp sandbox --port @PORT@            # leave it running, and in another terminal:
nxp export --all                 # devices, users and crashes
nxp sql "SELECT hardware_type, count(*) AS devices FROM devices GROUP BY ALL"
```

For a real tenant, set `instance`, `region` and `time_zone` in nxp.toml, remove `api_url`,
`login_url`, `client_id` and `client_secret_file`, and let `nxp check` say what is missing."""


def free_ports() -> int:
    """Return the first of four free ports of this machine, for the sandbox."""
    for port in range(_FIRST_PORT, _LAST_PORT, 10):
        if all(is_free(port + more) for more in range(PORTS)):
            return port
    return _FIRST_PORT


def sandbox_files(name: str, folder: Path, port: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files of a project for the sandbox, and those that only their owner may read.

    Args:
        name: of the project.
        folder: where it will be.
        port: of the sandbox's API.
    """
    options = SandboxOptions(queries=folder).resolved()
    chosen = {
        "instance": options.instance,
        "region": options.region,
        "client_id": options.client_id,
        "client_secret_file": _KEPT_IN,
        "api_url": f"http://{LOOPBACK}:{port}",
        "login_url": f"http://{LOOPBACK}:{port + 1}",
        "time_zone": options.time_zone,
    }
    begin = _BEGIN.replace("@PORT@", str(port))
    found = project_files(name, "data of a stand-in tenant (`nxp sandbox`)", begin, chosen)
    library = Library()
    copies = plan_copies(library, library.complete(DATASETS), folder)
    texts = {str(file): (library.folder / file).read_text("utf-8") for file in copies.written}
    return {**found, **texts}, {_KEPT_IN: f"{options.client_secret}\n"}
