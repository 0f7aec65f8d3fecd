"""Tests of the sources of a sync."""
