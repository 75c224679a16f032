"""What `radius-voice status` shows about `server.key` while it is being changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from radius_voice.config.schema import Settings
from radius_voice.login.model import Unavailable
from radius_voice.state.directory import ServerKeys, existing_keys, key_path, wrapped_data_key
from radius_voice.state.open_store import shared_data_key
from radius_voice.state.wrapped_key import unwrap

SECOND_OF_THE_LIST = "the second key of server.key"


async def server_key_state(settings: Settings) -> Mapping[str, Any]:
    """The keys that the first one has replaced, and whether something can be read with these only.

    `replaced` names them: the second key of the list, and the file of a key that the service has created. `needed` is
    True if a copy of the data key is encrypted only with them, and None if a file or the store cannot be read.
    """
    try:
        keys = existing_keys(settings, os.geteuid())
    except (OSError, ValueError):
        return {"replaced": [], "needed": None}
    replaced = _replaced(settings, keys)
    try:
        return {"replaced": replaced, "needed": await _are_needed(settings, keys)}
    except (OSError, ValueError, Unavailable):
        return {"replaced": replaced, "needed": None}


def _replaced(settings: Settings, keys: ServerKeys) -> list[str]:
    second = [SECOND_OF_THE_LIST] * (len(keys.present) - 1)
    return second + [str(key_path(settings))] * len(keys.former)


async def _are_needed(settings: Settings, keys: ServerKeys) -> bool:
    """Whether the first key does not open every copy of the data key: the one here, and the one of all nodes."""
    copies = [wrapped_data_key(settings, os.geteuid())]
    if settings.store.SHARED_BY_NODES:
        copies.append(await shared_data_key(settings))
    return any(not copy or unwrap(copy, keys.present[:1]) is None for copy in copies)
