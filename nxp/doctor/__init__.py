"""Looking for what is wrong with an installation, each check a line that says what to do next."""
