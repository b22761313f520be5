"""The tutor's answers as tools of the Model Context Protocol, by its official SDK: the one module that imports it."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import Field

from grader import __version__
from grader.assistant.tutor import Tutor
from grader.errors import GraderError

INSTRUCTIONS: Final = (
    "A learner is looking for bugs in a small GPT, and builds extensions of it. Help them to find each bug themselves: "
    "read with them, explain what a failing check means, propose experiments. Do not write the fix for them. Hints are "
    "counted in the workspace, where a teacher sees them: ask for one only when the learner wants it. The grade is of "
    "the files as they are saved."
)
READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
COUNTS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)


class _Server(MCPServer[Any]):
    """Refuses an argument that a tool does not have: the SDK drops it, and the answer would be to another question."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        taken = {tool.name: list(tool.input_schema.get("properties", {})) for tool in await self.list_tools()}
        if name not in taken:
            raise ToolError(f"no such tool: {name!r}; expected one of {', '.join(taken)}")
        for argument in arguments:
            if argument not in taken[name]:
                expected = f"expected {', '.join(taken[name])}" if taken[name] else "expected none"
                raise ToolError(f"no such argument of {name}: {argument!r}; {expected}")
        return await super().call_tool(name, arguments, context)


def serve(tutor: Tutor) -> None:
    """Answer on standard input and output until the client is gone."""
    server_of(tutor).run("stdio")


def server_of(tutor: Tutor) -> MCPServer[Any]:
    """The server, with a tool for each thing that can be asked."""
    server = _Server("grader", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")

    @server.tool(annotations=READS, structured_output=False)
    async def requirements() -> str:
        """The task as the learner was given it: the contract, how it is graded, the names of items and follow-ups."""
        return await _answer(tutor.requirements)

    @server.tool(annotations=COUNTS, structured_output=False)
    async def grade(
        items: Annotated[
            list[str], Field(description="ids of items or follow-ups to grade alone, such as masking; empty for all")
        ] = [],  # noqa: B006  a default that is never changed
    ) -> str:
        """Grade the workspace as it is saved: the score, what fails of each item, and which checks can be explained."""
        return await _answer(partial(tutor.grade, tuple(items)))

    @server.tool(annotations=READS, structured_output=False)
    async def explain(
        check: Annotated[
            str, Field(description="the id of a check that the last grade named, such as future-is-hidden")
        ],
    ) -> str:
        """Explain a check of the last grade: what should be true, what was seen, the smallest case that fails, and code
        that shows it."""
        return await _answer(partial(tutor.explain, check))

    @server.tool(annotations=READS, structured_output=False)
    async def hints() -> str:
        """What there are hints for, and how many of each were shown. Shows no hint, and counts none."""
        return await _answer(tutor.hints)

    @server.tool(annotations=COUNTS, structured_output=False)
    async def hint(
        item: Annotated[str, Field(description="the id of an item or follow-up, or does-not-run")],
    ) -> str:
        """The next of three hints for an item. Each is counted: ask only when the learner wants one."""
        return await _answer(partial(tutor.hint, item))

    @server.tool(annotations=READS, structured_output=False)
    async def changes() -> str:
        """What was changed in the files since the last grade, and what that grade changed against the one before it."""
        return await _answer(tutor.changes)

    return server


async def _answer(ask: Callable[[], str]) -> str:
    """The answer, from a thread that is left alone when the client gives up; ``ToolError`` says what is wrong."""
    try:
        return await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
    except GraderError as error:
        raise ToolError(str(error)) from None
