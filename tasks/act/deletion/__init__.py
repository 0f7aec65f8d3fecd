"""Deleting devices: planned, approved, read back, and never one that was seen since."""
