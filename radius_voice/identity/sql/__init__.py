"""Users in a SQL database: in tables of this program, or in other tables that the administrator's queries read."""
