"""What an operator does when a credential is gone: users and rooms, through ejabberd's admin API.

Nothing of the port program is used here, and the port program uses nothing of this, except that
``user revoke`` asks the configured backend whether the credential is really refused.
"""
