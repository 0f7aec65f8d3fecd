"""Bringing a Prefect server in line with the files of `deployments`, and finding differences."""
