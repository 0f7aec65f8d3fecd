"""Tests of connectors/nexthink/results."""
