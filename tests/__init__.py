"""All tests; the modules of this folder are what they share."""
