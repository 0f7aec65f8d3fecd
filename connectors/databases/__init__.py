"""What ledger, landings and sources share about databases: URLs, drivers, sessions."""
