"""Tests of connectors/nexthink/acting."""
