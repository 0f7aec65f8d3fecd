"""What can be done to the tenant's devices and people, and what was requested."""
