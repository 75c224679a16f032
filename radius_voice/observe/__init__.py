"""Observers of the records in `events`: audit log, metrics, log."""
