"""The state directory with its lock and keys, and the store."""
