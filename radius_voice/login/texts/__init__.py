"""Texts of a login: characters that a gateway can show, prompts, replies, speech and segments of text messages."""
