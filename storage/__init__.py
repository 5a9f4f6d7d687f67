"""Storage: what Pli keeps, and how it is kept.

`database` runs plain functions on SQLite or PostgreSQL; `schema` says which tables there are; `migrations` brings an
older database up to it; `vault` seals and opens; `blobs` keeps what is large. Every other module here is one noun and
the SQL statements about it: functions that take a `Tx` first, do SQL and nothing else, and are called inside `db.read`
or `db.write`.

Nothing here knows who is asking. The right to ask is decided in `server.access`.
"""
