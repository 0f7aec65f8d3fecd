"""Tables as a personnel department keeps them, about the people of the estate."""
