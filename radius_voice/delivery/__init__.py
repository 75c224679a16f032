"""Providers, one folder each. An implementation is imported only if it is configured."""
