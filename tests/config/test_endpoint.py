"""URLs of the configuration: what is accepted, and where a request for it goes."""

import pytest

from extauth_http.config.endpoint import Endpoint

ACCEPTED = {
    # URL: (scheme, host, port, Host header, target)
    "http://h": ("http", "h", 80, "h", "/"),
    "HTTP://Example.ORG:80/": ("http", "example.org", 80, "example.org", "/"),
    "https://h:8443/a/b?c=d#e": ("https", "h", 8443, "h:8443", "/a/b?c=d"),
    "http://[::1]:8080/": ("http", "::1", 8080, "[::1]:8080", "/"),
    "https://[::1]": ("https", "::1", 443, "[::1]", "/"),
    "http://bücher.example/ä b?q=ü": (
        "http",
        "xn--bcher-kva.example",
        80,
        "xn--bcher-kva.example",
        "/%C3%A4%20b?q=%C3%BC",
    ),
    "http://h/%2Fa//b;c@d:e?": ("http", "h", 80, "h", "/%2Fa//b;c@d:e?"),
    "http://h/a/../b": ("http", "h", 80, "h", "/b"),
}


@pytest.mark.parametrize("url", ACCEPTED)
def test_a_url_names_a_connection_and_a_target(url: str) -> None:
    endpoint = Endpoint.parse(url)
    scheme, host, port, header, target = ACCEPTED[url]
    assert endpoint.origin == (scheme.encode(), host.encode(), port)
    assert endpoint.host_header == header.encode()
    assert endpoint.target == target.encode()


REFUSED = {
    "h": "starts with http://",
    "": "starts with http://",
    "ftp://h/": "starts with http://",
    " http://h/": "starts with http://",
    # The WHATWG URL Standard finds the host "h" in each of these.
    "http:h": "starts with http://",
    "http:///h": "starts with http://",
    "http:\\\\h": "starts with http://",
    "http://\\h": "cannot be parsed",
    "http://h/a\\b": "cannot be parsed",
    "http://h\n.example/": "cannot be parsed",
    "http://h/\ta": "cannot be parsed",
    "http://h/\x7f": "cannot be parsed",
    "http://h/\u202e": "cannot be parsed",
    "http://a b/": "cannot be parsed",
    "http://h:99999/": "cannot be parsed",
    "http://h:0/": "port from 1",
    "http://hunter2:80:90/": "cannot be parsed",
    "http://hunter2:x/word@h": "cannot be parsed",
    "http://alice:hunter2@h/": "without user and password",
    "http://hunter2@h/": "without user and password",
    "http://:hunter2@h/": "without user and password",
}


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_is_refused_is_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[url]) as refused:
        Endpoint.parse(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
