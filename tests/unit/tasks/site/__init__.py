"""Tests of what the pages of a site are made of."""
