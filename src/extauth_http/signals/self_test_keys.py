"""The issuer of ``signals test``: its keys are in the queue, for a minute.

A process that can write to the queue can also write an event into it. So a key that is there gives
no additional rights.
"""

TEST_ISSUER = "https://self-test.extauth-http.invalid"
"""``.invalid`` never resolves (RFC 2606), so no provider has this name."""

TEST_AUDIENCE = "extauth-http"
TEST_SECONDS = 60.0
