"""The front door: the command `nxp`. Parses, starts flows, prints."""
