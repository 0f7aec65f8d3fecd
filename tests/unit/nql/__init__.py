"""Tests of the query language: its text, without a tenant."""
