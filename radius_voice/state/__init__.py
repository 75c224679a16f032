"""The state directory: its lock, its keys and its store."""
