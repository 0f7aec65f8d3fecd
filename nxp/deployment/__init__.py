"""Bringing a Prefect server in line with the files of `deployments`, and finding differences."""

# Begins the lines that say what is switched off; `nxp stack up` looks for them in a deploy.
ENDS = "switches off "
