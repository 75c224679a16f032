"""Places, follows and ends the calls and text messages of sessions."""
