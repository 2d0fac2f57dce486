"""Preparation of names: what XMPP does to a local part before it compares or shows it."""

import re
import stringprep
from unicodedata import ucd_3_2_0

_ESCAPED = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")


def unescape_user(user: str) -> str:
    """Undoes the escapes of XEP-0106: ``alice\\40corp.com`` → ``alice@corp.com``."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), user)


def nodeprep(name: str) -> str:
    """Maps and normalises a name with nodeprep (RFC 3920, appendix A), as ejabberd does.

    Characters that nodeprep prohibits remain, so that e-mail addresses can be compared too.
    Characters that Unicode 3.2 does not assign (RFC 3454, table A.1) also remain: ejabberd accepts
    no name with one, so they are never another spelling of a user's name.
    """
    return ucd_3_2_0.normalize("NFKC", "".join(map(_mapped, name)))


def _mapped(letter: str) -> str:
    if stringprep.in_table_b1(letter):
        return ""
    # ``map_table_b2`` uses the newest Unicode tables, nodeprep those of Unicode 3.2.
    return letter if stringprep.in_table_a1(letter) else stringprep.map_table_b2(letter)
