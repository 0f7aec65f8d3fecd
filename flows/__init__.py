"""The stories as Prefect flows, with typed parameters, names and approval.

No HTTP, no SQL, no frame expressions: what a run does is in tasks/stories.
"""
