"""One plain function per kind of run, which reads from top to bottom.

Flows and commands call the same functions: a flow is a story as Prefect runs it.
"""
