"""One export landed as Parquet, by this engine and by what users would take instead."""
