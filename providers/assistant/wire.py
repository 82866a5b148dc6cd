"""Chat completions with tools, as OpenAI-compatible endpoints speak them."""

from typing import Any, Literal

import msgspec


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base; unknown members of answers are ignored."""


class Function(Wire, frozen=True, kw_only=True):
    """A tool's function; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class Tool(Wire, frozen=True, kw_only=True):
    """Something the model may call."""

    type: Literal["function"] = "function"
    function: Function


class Message(Wire, frozen=True, kw_only=True):
    """One message we send."""

    role: str
    content: str


class Request(Wire, frozen=True, kw_only=True):
    """`POST {base}/chat/completions`."""

    model: str
    messages: list[Message]
    tools: list[Tool]
    tool_choice: str = "auto"
    temperature: int = 0


class FunctionCall(Wire, frozen=True, kw_only=True):
    """What is called; `arguments` is JSON in a string."""

    name: str
    arguments: str


class ToolCall(Wire, frozen=True, kw_only=True):
    """One call of a tool."""

    id: str = ""
    type: str = "function"
    function: FunctionCall


class AnswerMessage(Wire, frozen=True, kw_only=True):
    """What the model said."""

    role: str = "assistant"
    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(Wire, frozen=True, kw_only=True):
    """One of the answers; there is one."""

    message: AnswerMessage
    index: int = 0
    finish_reason: str | None = None


class Answer(Wire, frozen=True, kw_only=True):
    """The response."""

    choices: list[Choice]
