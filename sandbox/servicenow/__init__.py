"""A stand-in for a ServiceNow instance next to the tenant: the Table API, read-only."""
