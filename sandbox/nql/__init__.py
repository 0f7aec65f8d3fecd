"""The query language: text to syntax tree, names to columns, tree to frames. It knows no HTTP."""
