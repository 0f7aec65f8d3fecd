"""Checks of an installation: each prints a line that says what is wrong and what to do next."""
