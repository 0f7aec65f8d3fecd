"""One export landed as Parquet, by this engine and by the tools users would use instead."""
