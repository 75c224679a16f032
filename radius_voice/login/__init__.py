"""The login: its rules, its seams. Knows no RADIUS, no YAML, no vendor."""
