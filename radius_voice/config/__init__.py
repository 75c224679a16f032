"""Reads the configuration: from a strict YAML file to validated settings."""
