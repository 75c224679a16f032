"""A Twilio that lives on loopback: the same REST, speaking into a history instead of a phone."""

from radius_voice.simulator.server import Simulator

__all__ = ["Simulator"]
