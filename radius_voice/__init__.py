"""radius-voice: a RADIUS server that places a voice call as the second factor of a login and speaks a one-time code.

Packages

cli           the commands                    config        YAML -> validated settings
service       the running service             operations    administrators' operations
wiring        settings -> objects             state         state directory, its keys and store
radius        packets, passwords, dictionary  transports    UDP sockets
server        request in, response out        http          admin listener: health and metrics
login         sessions, policies, calls       messages      wording, a file for each language
identity      sources of users, a folder each delivery      providers, a folder each
twilio        what its providers share        stores        sessions and limits
observe       audit log, metrics, log         explain       why a login ended as it did
importing     other products' configurations  support_bundle  what support needs to know
files         reading and access of files     simulator     a Twilio on loopback

Modules

events        records for the observers       control       the service's local socket
endpoints     addresses to listen on          resources     data files of the program
http_client   a pool of HTTP connections      radius_client asks a RADIUS server
fair_queue    queue shared fairly by senders  turns         takes items of a list in turn
bounded       bounds work that may block      sealing       encrypts what must stay readable
exceptions    exceptions as messages          trace         steps of a request, with times
metric_labels label values of metrics         server_probe  asks a server for its certificate
users_csv     users as a table
"""

__version__ = "0.1.0"
