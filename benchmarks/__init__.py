"""Benchmarks, each run by its own command; the figures in the documents come from here."""
