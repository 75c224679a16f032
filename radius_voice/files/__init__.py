"""Files that the service trusts: `reading` reads them, `access` checks which users can access them."""
