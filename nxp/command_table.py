"""Every command with its line of help, and where its function is."""

COMPLETION = "--install-completion"
COMMANDS = {
    "demo": "See it work in a minute: export from a stand-in tenant, and query the result.",
    "sandbox": "Run a stand-in tenant on this machine, to try things without Nexthink.",
    "server": "Run a local Prefect server in the background: start, stop, status.",
    "stack": "Run a whole production set-up on this machine: up, down, status, env.",
    "worker": "Run a Prefect worker; when stopped, it lets its flow runs finish first.",
    "init": "Make a project: settings, folders, and what comes next; --sandbox runs at once.",
    "settings": "Show each setting, its value, and where it comes from; secrets are masked.",
    "add": "List the library of datasets, or copy some into the project.",
    "export": "Export datasets from Nexthink and land them in the lake.",
    "backfill": "Land the windows between two dates; if interrupted, run it again to resume.",
    "state": "Show or reset what the ledger knows about a dataset.",
    "datasets": "List the catalogue's datasets, or show one; --nql prints its saved query.",
    "maintain": "Delete data past its retention, and superseded files.",
    "lake": "Landed files: open them in BI tools, or bring them to the declared types.",
    "runs": "List runs, newest first.",
    "sql": "Query what has landed, with DuckDB, read-only; without a query, a shell.",
    "ask": "List questions about the estate, or answer one from what has landed.",
    "site": "Make static pages of what has landed, for any browser; no server, no network.",
    "nql": "Saved queries: list, lint, diff; and the raw operations on them.",
    "remote-actions": "Raw operations on remote actions: list, show, execute, executions.",
    "workflows": "Raw operations on workflows: list, show, trigger, resume, executions.",
    "campaigns": "Raw operations on campaigns: trigger, responses.",
    "spark": "Raw operation of Spark: handoff.",
    "devices": "Delete devices from the inventory: plan, approve, delete, status.",
    "plan": "Plan a sync, or show a plan of it; nothing is sent.",
    "apply": "Send exactly what a sync's plan says.",
    "sync": "Plan a sync, send what differs unless a guard trips, and read it back.",
    "undo": "Plan to take back what a plan of a sync has set; nothing is sent.",
    "retry": "Send a sync's open, unknown and rejected values again.",
    "act": "Act on devices and people: plan, show, approve, run, self-help, status, resolve.",
    "enrich": "Send one enrichment request as given, and show the result for each object.",
    "schema": "Learn a dataset's columns; show the JSON Schemas of files and of answers.",
    "rejects": "Count rejected rows by column and reason; --rows lists them.",
    "replay": "Land rejected rows that fit now, after the dataset's YAML was corrected.",
    "check": "Validate settings and catalogue; --connect also logs in to the tenant.",
    "deploy": "Create and update the deployments and automations of deployments/*.yaml in Prefect.",
    "doctor": "Check the installation: server, workers, ledger, lake, tenant, clock, deployments.",
}
GROUPS = {
    "server": {
        "start": "Start the server unless it is running; print its API URL.",
        "stop": "Stop the server.",
        "status": "Show whether it is running, and where.",
    },
    "stack": {
        "up": "Start what is not running: PostgreSQL, Prefect, workers, S3, the sandbox.",
        "down": "Stop all of it; the data is kept.",
        "status": "Show the state of each part.",
        "env": "Print the variables that point a shell at it, as export lines.",
    },
    "lake": {
        "rewrite": "Bring a dataset's landed files to the types that it declares now.",
        "duckdb": "Write a DuckDB database of views over the lake, for BI tools.",
    },
    "state": {
        "show": "Show the watermark, windows by state, and what is under way.",
        "accept": "Accept windows as they landed, although rows may be missing.",
        "audit": "Find windows that landed without rows which the tenant may have forgotten.",
        "reset": "Forget the watermark and failures; what has landed stays.",
    },
    "schema": {
        "learn": "Export once, prove the types on all rows, and write the dataset's YAML.",
        "print": "Print the JSON Schema of a kind of file, such as dataset, for editors.",
        "answers": "Print the JSON Schema of what a command prints with --json.",
    },
    "act": {
        "plan": "Show who would be acted on, and who is left out; nothing is sent.",
        "show": "Show a plan on one card, for the person who approves it.",
        "approve": "Approve a plan, or decline it.",
        "run": "Send an approved plan, wait, and show the outcomes.",
        "self-help": "Ask people in a campaign, and act for those who agreed, or as they chose.",
        "status": "Show what was planned and sent, with outcomes.",
        "resolve": "Record whether a request whose outcome is unknown was sent.",
        "retire-ledger": "Record that another ledger of ours is out of use.",
    },
    "nql": {
        "queries": "List the catalogue's saved queries, or print them to paste into Nexthink.",
        "lint": "Check queries without a tenant: line, column, and what may be meant.",
        "diff": "Compare the tenant's saved queries with the catalogue's files.",
        "execute": "Run a saved query and print its rows (1,000 at most).",
        "export": "Start an export; print its id.",
        "status": "Show how far an export is; --url prints where its result is.",
        "download": "Write an export's complete result to a file, decompressed.",
    },
    "remote-actions": {
        "list": "List remote actions.",
        "show": "Show one: where it runs, its inputs and outputs.",
        "execute": "Run one on devices; recorded, and sent at most once.",
        "executions": "Show the outcome of one on each device.",
    },
    "workflows": {
        "list": "List workflows.",
        "show": "Show one, by NQL id or UUID.",
        "trigger": "Trigger one for devices, users or both; recorded, and sent at most once.",
        "resume": "Resume an execution that waits for an event.",
        "executions": "Show the executions of one, with outcomes.",
    },
    "campaigns": {
        "trigger": "Send one to users; recorded, and sent at most once.",
        "responses": "Show the users' answers.",
    },
    "devices": {
        "plan": "Find the devices of a file, and show who is left out; nothing is deleted.",
        "approve": "Approve a plan, or decline it.",
        "delete": "Delete the devices of an approved plan that were not seen since.",
        "status": "Show plans, and what became of each device.",
    },
    "spark": {
        "handoff": "Hand a message of users off to Spark; recorded, and sent at most once.",
    },
}
# Verbs that are not in the module of their group.
OWN_MODULES = {
    *(("nql", verb) for verb in ("lint", "diff", "queries")),
    *(("act", verb) for verb in ("status", "resolve", "self-help", "retire-ledger")),
}


def help_of(command: str) -> str:
    """Return the line of help of a command, such as `nql status`."""
    group, _, verb = command.partition(" ")
    return GROUPS[group][verb] if verb else COMMANDS[group]


def path_of(group: str, verb: str) -> str:
    """Return where the function of a group's command is, as `module:function`."""
    # A function must not shadow a builtin.
    function = f"{verb}_" if verb in {"list", "print"} else verb.replace("-", "_")
    if (group, verb) in OWN_MODULES:
        group = f"{group}_{verb}"
    return f"nxp.commands.{group.replace('-', '_')}:{function}"
