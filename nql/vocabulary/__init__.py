"""The tables and fields that are known to exist, from public evidence: no tenant lists its own."""
