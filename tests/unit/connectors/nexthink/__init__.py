"""Tests of connectors/nexthink."""
