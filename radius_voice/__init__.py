"""radius-voice: a RADIUS server that places a voice call as the second factor of a login and speaks a one-time code.

Folders

cli           the commands                    config        YAML -> validated settings
radius        packets, passwords, dictionary  listeners     UDP sockets
login         sessions, policy, ports         identity      users and passwords
delivery      telephony providers             stores        rows and limits
observe       audit log, metrics, log         http          admin listener: health and metrics
simulator     a Twilio on loopback

Service

app           start, reload, drain, stop      build         settings -> objects
workers       several processes               watcher       metrics and health of all workers
state         state directory: key and store  control       the service's local socket
operations    administrators' operations      preflight     tries what `serve` needs at start
endpoints     addresses to listen on          users_watch   rereads changed users files
advice        checks settings against users   verification_time  password verification vs. timeouts

Packets

server        request in, response out        clients       client entries by source address
authenticity  secrets, Message-Authenticator  admission     which request is processed next
fair_queue    queue shared fairly by senders  events        records for the observers
client        a RADIUS client

Files and text

files         reads administrators' files     file_access   access of users to files
bounded       bounds work that may block      resources     data files of the program
strict_yaml   strict YAML with line numbers   yaml_syntax   explains YAML syntax errors
faults        exceptions as messages          words         suggestions for unknown words
nouns         cheap immutable values
"""

__version__ = "0.1.0"
