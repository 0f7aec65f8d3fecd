"""Tests of tasks/columns."""
