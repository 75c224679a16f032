"""Sources of users, a folder each, and the password hashes that they share."""
