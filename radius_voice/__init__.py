"""radius-voice: a RADIUS server that places a voice call as the second factor of a login and speaks a one-time code.

Packages

cli           the commands                    config        YAML -> validated settings
service       the running service             operations    administrators' operations
radius        packets, passwords, dictionary  transports    UDP sockets
server        request in, response out        http          admin listener: health and metrics
login         sessions, policy, ports         messages      wording, a file for each language
identity      sources of users, a folder each delivery      providers, a folder each
stores        sessions and limits             observe       audit log, metrics, log
files         reading and access of files     simulator     a Twilio on loopback

Modules

wiring        settings -> objects; tables of adapters
state         state directory and its key     control       the service's local socket
endpoints     addresses to listen on          events        records for the observers
http_client   a pool of HTTP connections      twilio_client Twilio's SDK on http_client
radius_client asks a RADIUS server            fair_queue    queue shared fairly by senders
bounded       bounds work that may block      resources     data files of the program
exceptions    exceptions as messages          client_entries  settings -> client entries

twilio_provider  what providers with a Twilio account share, on twilio_client
"""

__version__ = "0.1.0"
