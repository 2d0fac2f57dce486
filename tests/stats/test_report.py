"""``stats`` counts the lines of a log and the answers in them."""

import json

import pytest

from tests.stats.log_lines import ANSWER, DENIED, LATE, TIME, clock, line, report_of


def test_commands_are_counted_by_host_and_by_backend() -> None:
    found = report_of(
        line(),
        line(time=clock(30), **DENIED),
        line(time=clock(60), host="b.example", backend="oauth", **LATE),
        line(time=clock(120), host="b.example", backend="oauth", operation="isuser"),
    )
    assert found["all"]["verdicts"] == {"allow": 2, "deny": 1, "undecided": 1}
    assert list(found["hosts"]) == ["b.example", "example.org"]
    assert list(found["backends"]) == ["oauth", "rest"]
    host = found["hosts"]["b.example"]
    assert (host["commands"], host["logins"]) == (2, 1)
    assert host["reasons"] == {"allow": {"allowed": 1}, "deny": {}, "undecided": {"deadline": 1}}
    assert found["all"]["logins_per_minute"] == 1.5
    assert found["all"]["logins_in_busiest_minute"] == 2
    assert found["all"]["refused_users"] == [
        {"user": "alice@example.org", "at_least": 1, "at_most": 1}
    ]
    assert found["seconds"] == 120.01


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"Erlang/OTP 25 [erts-13.1.5]", "not_json"),
        (b'{"event": "answer"', "not_json"),
        (b"[1, 2]", "not_json"),
        (b"\xff\xfe{}", "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b"{}", "unusable"),
        (b'{"event": 5}', "unusable"),
        (line(ms="fast"), "unusable"),
        (line(ms=-1), "unusable"),
        (line(ms=float("nan")), "unusable"),
        (line(ms=float("inf")), "unusable"),
        (line(ms=True), "unusable"),
        (line(verdict="maybe"), "unusable"),
        (line(verdict=["allow"]), "unusable"),
        (line(host=["example.org"]), "unusable"),
        (line(user=5), "unusable"),
        (line(pid=None), "unusable"),
        (line(pid=1e400), "unusable"),
        (line(time=5), "unusable"),
        (line(time="yesterday"), "unusable"),
        (line(time="0001-01-01T00:00:00Z"), "unusable"),
        (line(time="9999-12-31T23:59:59-14:00"), "unusable"),
        (line(ms=10**400), "answers"),
        (line(host=None), "unusable"),
    ],
)
def test_a_line_that_is_not_an_entry_is_counted_and_ignored(raw: bytes, kind: str) -> None:
    found = report_of(line(), raw, b"\n", line())
    assert found["lines"][kind] == (3 if kind == "answers" else 1)
    assert found["lines"]["answers"] == (3 if kind == "answers" else 2)
    json.dumps(found, allow_nan=False)


def test_other_events_are_counted_by_name_and_are_from_pool_members() -> None:
    loaded = json.dumps({"event": "config_loaded", "pid": 8, "time": clock(0)}).encode()
    found = report_of(line(), loaded, loaded, line(time=clock(1)))
    assert found["lines"]["other_events"] == {"config_loaded": 2}
    assert found["pool"]["members"] == 2


def test_a_malformed_packet_has_no_host() -> None:
    raw = {key: value for key, value in ANSWER.items() if key not in ("host", "user", "backend")}
    found = report_of(json.dumps({**raw, "verdict": "deny", "reason": "not_utf8"}).encode())
    assert list(found["hosts"]) == list(found["backends"]) == ["(none)"]


def test_control_characters_in_names_are_not_printed() -> None:
    found = report_of(line(user="\x1b[2J\u202e", host="h\x9b", reason="a\nb", verdict="deny"))
    text = json.dumps(found, ensure_ascii=False)
    assert "\ufffd[2J\ufffd@h\ufffd" in text
    assert text.isprintable()


def test_a_long_name_is_cut() -> None:
    assert max(map(len, report_of(line(host="h" * 60_000))["hosts"])) < 300


def test_entries_before_since_are_not_counted() -> None:
    found = report_of(line(), line(time=clock(5)), start=TIME + 5)
    assert (found["lines"]["before"], found["lines"]["answers"]) == (1, 1)
