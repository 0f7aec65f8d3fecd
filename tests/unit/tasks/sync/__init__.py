"""Tests of the steps of a sync."""
