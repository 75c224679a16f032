"""radius-voice: a RADIUS server that places a voice call as the second factor of a login and speaks a one-time code.

Folders

cli           the commands                    config        YAML -> validated settings
radius        packets, passwords, dictionary  transports    UDP sockets
server        request in, response out        http          admin listener: health and metrics
login         sessions, policy, ports         messages      wording, a file for each language
identity      sources of users, a folder each delivery      providers, a folder each
stores        sessions and limits             observe       audit log, metrics, log
simulator     a Twilio on loopback

Service

service       start, drain, stop              wiring        settings -> objects; tables of adapters
reload        replaces the configuration      housekeeping  repeated work while the service runs
tasks         background tasks                reporting     records -> log, audit log, metrics
workers       several processes               watcher       metrics and health of all workers
state         state directory and its key     control       the service's local socket
operations    administrators' operations      preflight     tries what `serve` needs at start
endpoints     addresses to listen on          users_file_watch   rereads changed users files
user_warnings checks settings against users   verification_time  password verification vs. timeouts

Packets

fair_queue    queue shared fairly by senders  events        records for the observers

Clients of other servers

radius_client  asks a RADIUS server           http_client   a pool of HTTP connections
twilio_client  Twilio's SDK on http_client

Files and text

files         reads administrators' files     file_access   access of users to files
bounded       bounds work that may block      resources     data files of the program
strict_yaml   strict YAML with line numbers   yaml_syntax   explains YAML syntax errors
exceptions    exceptions as messages          suggestions   suggestions for unknown words
nouns         cheap immutable values
"""

__version__ = "0.1.0"
