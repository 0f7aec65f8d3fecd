"""Tests of connectors/settings."""
