"""Commands about users and rooms, through ejabberd's admin API.

The port program does not use this package. This package uses the port program's decider only in
``user revoke``, to verify that the backend refuses the credential.
"""
