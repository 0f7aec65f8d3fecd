"""The stack: everything a company runs, on one machine and on loopback, without containers."""
