"""Text to types: casts, times, rejects, checks. Pure, but for the checks, which read files."""
