"""Tests of the catalogue of actions."""
