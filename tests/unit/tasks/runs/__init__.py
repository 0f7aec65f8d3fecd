"""Tests of tasks/runs."""
