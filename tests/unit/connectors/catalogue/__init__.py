"""Tests of connectors/catalogue."""
