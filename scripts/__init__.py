"""Tools of the developers, called by the Makefile."""
