"""The options of a running ejabberd, compared with its file."""

from pathlib import Path

from extauth_http.check.account import Account
from tests.check.findings import bad, ids, one
from tests.check.live_server.fake_api import FILE, api, find


def test_a_difference_names_the_option_and_the_host(account: Account, tmp_path: Path) -> None:
    dump = "hosts: [example.org]\nauth_method: [mnesia]\nauth_use_cache: false\n"
    text = FILE.replace("[example.org]", "[example.org, new.org]")
    found = find(api(dump=dump), account, tmp_path, text, None)
    assert bad(found) == {"api-option-differs", "api-host-missing"}
    differs = one(found, "api-option-differs")
    assert 'auth_method ["mnesia"], the file has ["external"]' in differs.found
    assert differs.line == "ejabberdctl reload_config"
    assert differs.where.endswith("ejabberd.yml:2")
    assert one(found, "api-host-missing").host == "new.org"


def test_equal_options_are_good(account: Account, tmp_path: Path) -> None:
    dump = FILE.replace("external", "[external]")
    found = find(api(dump=dump), account, tmp_path, FILE, None)
    assert "api-options" in ids(found)
    assert not bad(found)
