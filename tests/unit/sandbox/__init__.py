"""Tests of the stand-in tenant, without a network."""
