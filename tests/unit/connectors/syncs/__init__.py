"""Tests of connectors/syncs."""
