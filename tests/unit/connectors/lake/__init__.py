"""Tests of connectors/lake."""
