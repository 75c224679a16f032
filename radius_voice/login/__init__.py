"""The login. Knows no RADIUS packet, no YAML and no vendor.

Each part imports only those below it, which import-linter checks.

flow              begin, respond and the events of calls: a login from top to bottom
session_responses, second_passes   what a response to a challenge leads to
calls             places, follows and ends the calls and text messages of sessions
second_factor     whether a user needs the second factor, and logins that are remembered
session           the state machine, and the sessions that it changes
first_factor      verifies passwords, and relays the challenges of an identity source
dependencies      what one generation of the configuration gives to all of them
limits            limits on passwords, codes, calls and costs
policies          what a policy allows: hours, exemptions, roll-out and enrolment
codes             codes and States, their keyed hashes, and their records in the store
ports             what login needs from stores, identity sources and providers
deliveries        requests to deliver a code, and the answers of providers
texts             prompts, replies, speech and segments of text messages
inputs, replay    events of a session; records of requests
model, phone ...  values that all of them use
"""
