"""A project: a folder of one's own with nxp.toml, datasets, queries, syncs and actions."""
