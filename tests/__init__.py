"""All tests; landing.py is what they share."""
