"""Tests of tasks/sync."""
