"""The steps of the flows: in each module pure functions first, a thin @task last."""
