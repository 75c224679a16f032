"""The RADIUS server: each received packet gets at most one response.

`server` connects the parts. `receiving` verifies packets, with `authenticity` and `duplicates`. `admission` limits how
many are processed at a time. `methods` turns a packet into a request of the login. `responses` encodes and sends the
result, `recorder` records it. `clients` holds the RADIUS client entries.
"""
