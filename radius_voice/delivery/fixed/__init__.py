"""A provider that places no calls."""
