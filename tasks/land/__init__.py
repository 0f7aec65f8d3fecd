"""Landing an export: from a plan to published windows, ledger last."""
