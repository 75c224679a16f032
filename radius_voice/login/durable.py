"""Durable values: a store keeps them until they are replaced, without a time limit."""

from __future__ import annotations

from msgspec import Struct


class DurableWrite(Struct, frozen=True):
    """A value to be written under a key that has no value yet."""

    key: bytes
    value: bytes

    def __repr__(self) -> str:
        return "DurableWrite()"


class DurableExists(Struct, frozen=True):
    """The key of a `DurableWrite` already has a `value`, so nothing was written."""

    value: bytes

    def __repr__(self) -> str:
        return "DurableExists()"
