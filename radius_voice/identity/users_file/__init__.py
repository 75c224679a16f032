"""Users in a YAML file."""
