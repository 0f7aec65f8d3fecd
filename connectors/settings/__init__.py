"""Settings of the installation and of its tenants."""
