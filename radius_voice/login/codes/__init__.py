"""Codes and States, their keyed hashes, and their records in the store."""
