"""What can be done to devices and people of the tenant, and what was asked to be done."""
