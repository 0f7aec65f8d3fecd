"""ServiceNow tables, read through the Table API."""
