"""Tests of nxp."""
