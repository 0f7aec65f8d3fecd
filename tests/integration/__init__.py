"""Tests with real parts: servers, databases, processes."""
