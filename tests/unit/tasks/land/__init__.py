"""Tests of tasks/land."""
