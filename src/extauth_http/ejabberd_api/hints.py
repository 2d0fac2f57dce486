"""What to do about a call that brought no result: the likely cause, with the lines to write."""

import httpx

MODULES = {
    "mod_muc_admin": ("room", "muc", "invitation", "subscribers"),
    "mod_admin_extra": (
        *("kick_session", "send_message", "send_stanza", "user_sessions_info", "check_account"),
    ),
}
PERMISSION = """\
api_permissions:
  "extauth-http":
    from: mod_http_api
    who:
      access:
        allow:
          - user: admin@example.org
    what: "*"
access_rules:
  configure:
    allow:
      - user: admin@example.org"""
"""The second rule is asked by newer releases (26.07) about each command that names a host."""

LISTENER = """\
listen:
  -
    port: 5443
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /api: mod_http_api"""


def if_unreachable(error: Exception) -> str:
    if "ismatch, certificate is not valid" in str(error):
        return "write the host in ejabberd.api as the certificate names it"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "name the certificate's authority in [ejabberd.tls] ca_file"
    return f"if ejabberd runs, serve the API there:\n\n{LISTENER}"


def if_lost(error: Exception) -> str:
    if "certificate required" in str(error).lower() or "handshake failure" in str(error).lower():
        return "it wants a certificate: name one in [ejabberd.tls] client_cert"
    return ""


def if_refused(command: str, status: int, *, is_named: bool) -> str:
    """The likely cause of a refusal, with the lines for ejabberd.yml."""
    if status == httpx.codes.UNAUTHORIZED:
        return "ejabberd does not take the account or token of [ejabberd.service_auth]"
    if status == httpx.codes.FORBIDDEN:
        who = "the account" if is_named else "a caller without an account"
        return (
            f"{who} may not call this; in ejabberd.yml, for the account that may:\n\n{PERMISSION}"
        )
    if status == httpx.codes.NOT_FOUND:
        module = next(
            (name for name, words in MODULES.items() if any(word in command for word in words)), ""
        )
        if module:
            return f"the command is {module}'s; in ejabberd.yml:\n\nmodules:\n  {module}: {{}}"
    return ""
