"""Time limits that the server at the other end of the protocol sets. All values are in seconds."""

EJABBERD_TIMEOUT = 30.0
"""ejabberd 18.06 and later: from the call until the reply, time in the queue of the pool member
included. After that ejabberd refuses the caller, closes the port and starts a new program.

Source: ``CALL_TIMEOUT`` in ejabberd's ``extauth.erl``.
"""

MONGOOSEIM_TIMEOUT = 10.0
"""MongooseIM and ejabberd before 18.06: from the request until the reply.

Source: ``CALL_TIMEOUT`` in their ``extauth.erl``.
"""
