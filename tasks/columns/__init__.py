"""Text to types: casts, times, rejects, checks. Pure."""
