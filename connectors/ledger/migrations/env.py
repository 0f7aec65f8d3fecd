"""Alembic's entry: runs the revisions on the connection that the program passes."""

from alembic import context

from connectors.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
