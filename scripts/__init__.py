"""Developers' tools, called by the Makefile."""
