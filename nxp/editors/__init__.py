"""JSON Schemas of the files that people write, for editors: completion, hints, and red lines."""
