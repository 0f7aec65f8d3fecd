"""The data model a tenant shows: types, tables, columns. No data and no query language here."""
