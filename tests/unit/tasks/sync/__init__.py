"""What syncs do step by step, without a tenant."""
