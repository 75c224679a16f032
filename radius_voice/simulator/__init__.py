"""A Twilio simulator for loopback: the same REST API, but calls are recorded in a history and ring no phone."""

from radius_voice.simulator.server import Simulator

__all__ = ["Simulator"]
