"""Bringing a Prefect server to what the files of `deployments` say, and seeing where it is not."""
