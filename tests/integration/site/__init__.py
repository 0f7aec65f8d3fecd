"""Tests of the site that nxp site makes."""
