"""Alembic runs this: the connection is given by `Database.migrate`."""

from alembic import context

from ketapredict.web.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # it is inside a transaction of `Database.migrate` already
)
context.run_migrations()
