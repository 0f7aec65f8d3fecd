"""Tests of tasks/upkeep."""
