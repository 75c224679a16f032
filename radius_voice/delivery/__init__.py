"""Providers, a folder each; the implementation is imported when it is configured."""
