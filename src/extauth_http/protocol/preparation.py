"""Names as XMPP writes and compares them."""

import re
import stringprep
from unicodedata import ucd_3_2_0

_ESCAPED = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")


def unescape_user(user: str) -> str:
    """A local part with its XEP-0106 escapes undone: ``alice\\40corp.com`` → ``alice@corp.com``."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), user)


def nodeprep(name: str) -> str:
    """A name as nodeprep (RFC 3920, appendix A) maps and normalises it: what ejabberd does to a
    local part before it compares two of them. What nodeprep prohibits is left in: an e-mail
    address may be compared as well. So is a letter that Unicode 3.2 did not have (RFC 3454, table
    A.1): ejabberd takes no name with one, so it is no other way to write somebody's name."""
    return ucd_3_2_0.normalize("NFKC", "".join(map(_mapped, name)))


def _mapped(letter: str) -> str:
    if stringprep.in_table_b1(letter):
        return ""
    # The table B.2 of Python's own module follows the newest Unicode.
    return letter if stringprep.in_table_a1(letter) else stringprep.map_table_b2(letter)
