"""radius-voice: a RADIUS server that rings a phone and speaks a one-time code.

cli         the commands; thin            app         configuration -> running service
server      one packet in, one out        listeners   sockets
radius      bytes <-> packets             login       the dialog, its rules, its seams
identity    passwords and people          delivery    telephony providers
stores      rows and limits               config      YAML -> checked settings
observe     audit, metrics, log           http        health and metrics
client      asks a RADIUS server          simulator   a Twilio on loopback
operations  what an operator can do       control     the service's local socket
state       key, store, their safety      preflight   what serve needs at start
"""

__version__ = "0.1.0"
