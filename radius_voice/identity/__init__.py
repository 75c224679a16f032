"""Identity sources, one folder each, and the password hashing that they share."""
