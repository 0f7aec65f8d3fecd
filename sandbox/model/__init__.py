"""The tenant's data model: types, tables, columns. It knows neither data nor the query language."""
