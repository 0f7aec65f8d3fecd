"""Tests of land."""
