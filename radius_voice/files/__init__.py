"""Files that the service trusts: `reading` reads them, `access` checks which other users can access them."""
