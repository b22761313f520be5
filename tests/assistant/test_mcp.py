"""``grader mcp`` answers the protocol's own client over standard input and output, and tells nothing of the solution.

The server is a process of its own and grades for real, since that is what a client starts: one for all that is asked of
a workspace that goes on from question to question.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from grader.cli import start
from grader.exercise.model import StoredExercise
from grader.learner.hints import right_now
from grader.learner.workspace import read_workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

Call = Callable[..., Awaitable[tuple[bool, str]]]


@pytest.fixture
def workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    start.run(Namespace(directory=tmp_path / "mine", exercise=None, minutes=None, feedback=None))
    capsys.readouterr()
    return tmp_path / "mine"


def converse(workspace: Path, talk: Callable[[Client, Call], Awaitable[None]], *options: str) -> None:
    """Start the server as a client does, and talk to it."""

    async def run() -> None:
        arguments = ["-m", "grader", "mcp", str(workspace), *options]
        with open(os.devnull, "w") as log:
            transport = stdio_client(StdioServerParameters(command=sys.executable, args=arguments), errlog=log)
            async with Client(transport) as client:

                async def call(tool: str, **arguments: object) -> tuple[bool, str]:
                    answer = await client.call_tool(tool, arguments)
                    return answer.is_error, "\n".join(part.text for part in answer.content)  # type: ignore[union-attr]

                await talk(client, call)

    asyncio.run(asyncio.wait_for(run(), timeout=240))


def hidden_lines(exercise: StoredExercise) -> set[str]:
    """Lines of the reference that the starter does not have, long enough to be told from others."""
    starter = "".join(exercise.starter().values())
    lines = {line.strip() for text in exercise.reference.values() for line in text.splitlines()}
    return {line for line in lines if len(line) > 20 and line not in starter}


@pytest.mark.smoke("grader mcp")
def test_a_client_learns_the_task_grades_explains_takes_hints_and_sees_what_changed(
    workspace: Path, exercise: StoredExercise
) -> None:
    told: list[str] = []
    lines = hidden_lines(exercise)

    async def talk(client: Client, call: Call) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools.keys() == {"requirements", "grade", "explain", "hint", "hints", "changes"}
        assert all(tool.description for tool in tools.values())

        async def asked(tool: str, **arguments: object) -> str:
            failed, text = await call(tool, **arguments)
            assert not failed, text
            told.append(text)
            return text

        assert "# A GPT that almost works" in await asked("requirements")
        graded = await asked("grade")
        assert "Score: 0 of 100" in graded
        for check in re.findall(r"^- ([\w-]+) \(", graded, re.MULTILINE):
            assert re.search("Was seen|What happened", await asked("explain", check=check))
        for item in exercise.titles:
            for _ in range(3):
                await asked("hint", item=item)
        model = workspace / "model.py"
        model.write_text(model.read_text("utf-8").replace("triu(diagonal=2)", "triu(diagonal=1)"), "utf-8")
        changed = await asked("changes")
        assert any(line in changed for line in lines)  # it would be noticed, and here it is the learner's own
        told.remove(changed)
        assert "Score: 15 of 15" in await asked("grade", items=["masking"])
        assert "Attention masking: right already" in await asked("hint", item="masking")
        assert "Attention masking" in await asked("changes")

    converse(workspace, talk)

    assert read_workspace(workspace).hints == dict.fromkeys(exercise.titles, 3)
    assert len(lines) > 100
    assert [line for line in lines if any(line in text for text in told)] == []
    assert "masking" in right_now(workspace)


def test_what_is_wrong_is_answered_in_words_and_the_server_goes_on(workspace: Path) -> None:
    model = workspace / "model.py"
    right = model.read_text("utf-8")

    async def talk(client: Client, call: Call) -> None:
        async def refused(tool: str, **arguments: object) -> str:
            failed, text = await call(tool, **arguments)
            assert failed
            assert "Traceback" not in text
            return text

        assert "nothing was graded yet" in await refused("explain", check="future-is-hidden")
        assert "no such item: 'maskin'" in await refused("grade", items=["maskin"])
        assert "valid list" in await refused("grade", items="masking")
        assert "no such argument of grade: 'item'; expected items" in await refused("grade", item="masking")
        assert "no such tool: 'solve'" in await refused("solve")
        assert "check" in await refused("explain")

        model.write_text(right + "\ndef broken(:\n", "utf-8")
        failed, text = await call("grade")
        assert not failed
        assert "Does not run" in text
        assert "SyntaxError" in text
        assert (await call("hint", item="does-not-run"))[1].startswith("Code that does not run, hint 1 of 3")

        model.write_text(right.replace("        T = tokens.size(1)\n", "        while True: pass\n", 1), "utf-8")
        failed, text = await call("grade", items=["masking"])
        assert not failed
        assert "Does not run" in text

        shutil.rmtree(workspace)
        assert "no such directory" in await refused("grade")
        assert "no such directory" in await refused("hint", item="masking")

    converse(workspace, talk, "--timeout", "1")


def test_a_server_whose_client_leaves_in_the_middle_of_a_grade_ends_and_leaves_no_process(workspace: Path) -> None:
    """Raw lines, since a client that is gone does not wait for its answer."""
    command = [sys.executable, "-m", "grader", "mcp", str(workspace)]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        for message in (
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "grade", "arguments": {}}},
        ):
            server.stdin.write(json.dumps(message).encode() + b"\n")
            server.stdin.flush()
        assert b'"serverInfo"' in server.stdout.readline()
        server.stdin.close()

        assert server.wait(timeout=60) == 0
    found = subprocess.run(["ps", "-o", "pid=", "-s", str(server.pid)], capture_output=True, text=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize("place", ["absent", "empty"])
def test_a_folder_that_is_no_workspace_is_refused_before_anything_is_served(place: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "grader", "mcp", str(tmp_path / place)], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert re.search("no such directory|not a workspace", done.stderr)
