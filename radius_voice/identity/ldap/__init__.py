"""Users of an LDAP directory: OpenLDAP and Active Directory."""
