"""Cases in PostgreSQL with pgvector (extra ``postgres``): section 3.4, stage 1, on servers.

The tables are the truth, and whatever is derived of a case (words, values for filters, terms, the
vector index) is written in the transaction that writes the case.
"""

from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.presence import exists, identity, remove
from mmedrag.backends.postgres.store import PostgresStore

__all__ = ["Address", "PostgresStore", "exists", "identity", "remove"]
