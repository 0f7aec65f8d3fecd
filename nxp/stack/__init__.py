"""The stack: all that a company runs, on one machine and on loopback, without containers."""
