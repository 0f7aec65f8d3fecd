"""HTTP: one client with retries, proxies, and nothing secret in errors."""
