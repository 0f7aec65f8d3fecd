"""Acting on devices and people: planned, approved, asked for at most once, and read back."""
