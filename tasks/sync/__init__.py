"""Enrichment syncs: from sources to a plan, from a plan to what Nexthink has taken."""
