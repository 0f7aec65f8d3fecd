"""Ids that are the same in every tenant and at every start."""

import uuid

_NAMESPACE = uuid.UUID("6f6b1c1e-8f0f-4b5c-9d0b-1a2d3c4e5f60")


def uuid_of(nql_id: str) -> str:
    """Return the UUID that belongs to an NQL id."""
    return str(uuid.uuid5(_NAMESPACE, nql_id))
