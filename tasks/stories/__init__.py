"""One plain function per kind of run, read from top to bottom; above the wings.

Flows and commands call the same ones: a flow is the form of a story under Prefect.
"""
