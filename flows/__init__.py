"""The stories, each read top to bottom like a runbook. No HTTP, no SQL, no frame expressions."""
