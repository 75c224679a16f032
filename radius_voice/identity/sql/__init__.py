"""Users in a SQL database: in tables of this program."""
