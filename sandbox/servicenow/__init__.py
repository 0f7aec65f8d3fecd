"""A stand-in for a ServiceNow instance beside the tenant: the Table API, to read only."""
