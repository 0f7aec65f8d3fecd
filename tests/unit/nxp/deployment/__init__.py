"""Tests of nxp.deployment."""
