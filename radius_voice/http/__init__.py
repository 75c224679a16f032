"""The admin listener: health and metrics over HTTP."""
