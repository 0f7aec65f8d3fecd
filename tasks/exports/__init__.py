"""Asking the tenant: exports started, resumed, awaited and fetched."""
