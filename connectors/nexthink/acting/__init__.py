"""Remote actions, campaigns and workflows: requests that act."""
