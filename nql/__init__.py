"""The query language NQL: its text read to a tree, and the names that are known to exist."""
