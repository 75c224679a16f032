"""Users in a SQL database: in tables of this program, or read from others by queries of the administrator."""
