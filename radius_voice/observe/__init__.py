"""Readers of what is recorded: audit log, metrics, log."""
