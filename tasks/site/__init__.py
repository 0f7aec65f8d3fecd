"""A static site of what has landed: facts are gathered, drawn into pages, and put in place at once.

No value of a personal column and no name of a person who runs or approves anything is in it.
"""
