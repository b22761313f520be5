"""The live page's server: who knows its address may read it from this machine, and nobody else gets a word."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from grader.live.live_page import Board, Phase
from grader.live.server import HOST, Server


@pytest.fixture
def board() -> Board:
    made = Board()
    made.change(title="15 of 100", report="<main>the report</main>", side="<p>the side</p>")
    return made


@pytest.fixture
def server(board: Board) -> Iterator[Server]:
    with Server(board, lambda: None) as running:
        yield running


class Answer(NamedTuple):
    """One answer, whole."""

    status: int
    headers: dict[str, str]
    text: str


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> Answer:
    """The answer to one request; ``path`` is what follows the token, or all of it where it begins with ``//``."""
    with contextlib.closing(connected(server)) as connection:
        target = path[1:] if path.startswith("//") else urlsplit(server.address).path + path
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read().decode())


def connected(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, urlsplit(server.address).port or 0, timeout=60)


def test_who_knows_the_address_sees_the_page_and_what_it_shows(server: Server) -> None:
    page = ask(server, "")

    assert page.status == 200
    assert "<main>the report</main>" in page.text
    assert json.loads(ask(server, "view").text)["title"] == "15 of 100"


def test_it_listens_on_loopback_alone(server: Server) -> None:
    port = urlsplit(server.address).port

    assert server._socket.getsockname() == ("127.0.0.1", port)


def test_no_two_addresses_are_alike_and_none_can_be_guessed(server: Server) -> None:
    with Server(Board(), lambda: None) as other:
        tokens = [urlsplit(each.address).path.strip("/") for each in (server, other)]

    assert len(set(tokens)) == 2
    assert [len(token) >= 32 for token in tokens] == [True, True]


@pytest.mark.parametrize("path", ["//", "///", "//view", "//x/view", "//%2e%2e/view", "//\xe9/"], ids=ascii)
def test_without_the_token_there_is_nothing(path: str, server: Server) -> None:
    connection = socket.create_connection((HOST, urlsplit(server.address).port or 0))
    with connection:
        connection.sendall(f"GET {path[1:]} HTTP/1.1\r\nHost: {HOST}:1\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answer.split()[1] in (b"404", b"400")
    assert b"the report" not in answer


def test_a_token_that_is_nearly_right_is_wrong(server: Server) -> None:
    token = urlsplit(server.address).path.strip("/")

    for near in (token[:-1], token + "x", token.swapcase(), token[:-1] + ("a" if token[-1] != "a" else "b")):
        assert ask(server, f"//{near}/view").status == 404
    assert ask(server, f"//{token}").status == 404  # without a slash nothing relative would be found


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:1", "", "169.254.0.1:1", "[::]:1"]
)
def test_a_name_that_leads_here_from_elsewhere_is_refused(host: str, server: Server) -> None:
    answer = ask(server, "view", Host=host)

    assert answer.status in (400, 421)
    assert "the report" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:8000", "[::1]:80"])
def test_this_machine_may_be_called_by_its_names_whatever_port_leads_here(host: str, server: Server) -> None:
    assert ask(server, "view", Host=host).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_it_can_only_be_read(method: str, server: Server) -> None:
    assert ask(server, "view", method).status == 405


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_no_other_page_may_load_it(site: str, mode: str, status: int, server: Server) -> None:
    assert ask(server, "view", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode).status == status


@pytest.mark.parametrize("path", ["", "view", "absent", "//x/"])
def test_every_answer_has_a_strict_policy_and_is_kept_nowhere(path: str, server: Server) -> None:
    headers = ask(server, path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))

    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert [policy[name].startswith("'sha256-") for name in ("style-src", "script-src")] == [True, True]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@contextlib.contextmanager
def events(server: Server) -> Iterator[Iterator[dict[str, object]]]:
    """What one reader is told, event by event."""
    with contextlib.closing(connected(server)) as connection:
        connection.request("GET", urlsplit(server.address).path + "events")
        with connection.getresponse() as answer:
            yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))


def test_each_reader_is_told_of_each_change_and_of_the_end(board: Board) -> None:
    with contextlib.ExitStack() as stack:
        with Server(board, lambda: None) as server:
            readers = [stack.enter_context(events(server)) for _ in range(2)]
            numbers = [next(reader)["number"] for reader in readers]
            board.change(phase=Phase.GRADED)
            told = [next(reader) for reader in readers]
        ended = [[event["phase"] for event in reader] for reader in readers]

    assert numbers == [1, 1]
    assert told == [{"number": 2, "phase": "graded"}] * 2
    assert ended == [["ended"], ["ended"]]


def test_while_nothing_is_saved_it_looks_for_what_may_change_all_the_same(board: Board) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(1)
        if len(seen) == 2:
            board.change(side="<p>a hint</p>")

    with Server(board, look) as server, events(server) as reader:
        told = [next(reader)["number"], next(reader)["number"]]

    assert told == [1, 2]
