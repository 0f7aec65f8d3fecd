"""Looking after what landed: replay, maintenance, gaps, learning a dataset's columns."""
