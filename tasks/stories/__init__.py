"""One plain function per kind of run, read from top to bottom."""
