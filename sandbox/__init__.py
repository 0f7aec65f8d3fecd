"""A local stand-in for a Nexthink tenant: faithful to its public API, seeded, loopback only."""
