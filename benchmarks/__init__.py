"""Measurements, each run by its own command; numbers in documents come from here."""
