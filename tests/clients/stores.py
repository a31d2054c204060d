"""The store's rows, read with none of the server's code: SQLite's file, or PostgreSQL through psql.

`select(query, values)` takes `?` for values and answers dicts; the queries are such as both understand.
"""

import json
import sqlite3


class SqliteStore:
    def __init__(self, path):
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._connection.row_factory = sqlite3.Row

    def __enter__(self):
        # One state for all that is read.
        self._connection.execute("BEGIN")
        return self

    def __exit__(self, *_):
        self._connection.close()

    def select(self, query, values=()):
        for row in self._connection.execute(query, values):
            yield dict(row)


class PostgresStore:
    """Each query is a state of its own: what is compared is read at rest."""

    def __init__(self, server):
        self._server = server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def select(self, query, values=()):
        parts = query.split("?")
        text = "".join(part + literal for part, literal in zip(parts, [*map(quoted, values), ""], strict=True))
        for line in self._server.lines(f"SELECT row_to_json(found) FROM ({text}) AS found"):
            yield json.loads(line)


def quoted(value):
    """A value as SQL has it."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
