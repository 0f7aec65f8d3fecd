"""Tests of the command's own modules."""
