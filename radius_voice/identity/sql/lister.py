"""Lists the users in a database, for commands; see `UserLister`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from radius_voice.identity.sql.database import Database
from radius_voice.identity.sql.editor import CLOSE_SECONDS, COMMAND_SECONDS, SqlEditor, create_editor
from radius_voice.identity.sql.queries import QueriedUsers
from radius_voice.identity.sql.settings import SqlQueries, SqlSettings
from radius_voice.messages import SHIPPED


def create_lister(name: str, settings: SqlSettings) -> SqlEditor | QueryLister:
    """The lister of the database that `settings` describe. Raises ValueError if its queries cannot list users."""
    if settings.queries is None:
        return create_editor(name, settings, SHIPPED)
    if settings.queries.ids is None:
        raise ValueError(f"identity.{name}.queries.ids: is missing; write a query for the ids of all users")
    return QueryLister(f"identity.{name}", settings, settings.queries)


class QueryLister:
    """Implements `UserLister` with the query `ids`."""

    def __init__(self, key: str, settings: SqlSettings, queries: SqlQueries) -> None:
        self._database = Database(key, settings, read_only=True)
        self._users = QueriedUsers(f"{key}.queries", queries, settings.default_region, SHIPPED)

    def user_ids(self) -> Iterator[Sequence[str]]:
        """The ids of all users."""
        yield self._database.run_blocking(self._users.ids, COMMAND_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._database.close(CLOSE_SECONDS)
