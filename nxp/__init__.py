"""The front door: the command `nxp`. Parses, starts flows, prints."""

from nxp.interpreter import claim_names

# Here, because every process of ours imports this package before any other of ours.
claim_names()
