"""Texts of a login: Reply-Messages that a gateway can show, speech, and the length of text messages."""
