"""The forms of the stories under Prefect: typed parameters, names, approval.

No HTTP, no SQL, no frame expressions: what a run does is in tasks/stories.
"""
