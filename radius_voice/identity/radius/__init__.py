"""An identity source in which another RADIUS server verifies passwords."""
