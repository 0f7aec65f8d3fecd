"""Personnel tables about the people of the estate."""
