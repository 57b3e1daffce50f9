"""The lingua franca: OpenAI's chat documents as they lie on the wire, parsed.

A document is the JSON object itself; keys that nobody here names ride along. What OpenAI's chat
cannot say has a key of its own, in the form that most clients know:

| Where | Key | What |
|---|---|---|
| request | `thinking` | Anthropic's: `{"type": "enabled", "budget_tokens": n}`, `{"type": "adaptive"}`, `{"type": "disabled"}`; `"display": "omitted"` where its text is not to be told |
| request | `top_k` | as everywhere |
| message (assistant) | `reasoning_content` | the text of its reasoning |
| message (assistant) | `thinking_blocks` | signed: `{"type": "thinking", "thinking", "signature"}` or `{"type": "redacted_thinking", "data"}`, in order |
| message (assistant) | `extra_content` | Google's signature of its text: as on a tool call |
| message (assistant) | `images` | what the model drew: `[{"type": "image_url", "image_url": {"url": "data:…"}}]` |
| message (tool) | `is_error` | true: the tool failed |
| content part, tool | `cache_control` | Anthropic's: `{"type": "ephemeral"}` |
| tool call | `extra_content` | Google's: `{"google": {"thought_signature": "…"}}` |
| content part | `file` | OpenAI's: `{"file_data": "data:application/pdf;base64,…", "filename"}` or `{"file_id"}`; also `{"file_url"}` |
| choice of an answer | `stop_sequence` | which of the stop sequences ended it |
"""  # noqa: E501 - a table

from typing import Any, Final, TypedDict

Document = dict[str, Any]  # the one place where Any is at home

ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")


class Function(TypedDict):
    name: str
    arguments: str  # JSON, as the model wrote it


class ToolCall(TypedDict, total=False):
    id: str
    type: str
    function: Function
    extra_content: Document


class Message(TypedDict, total=False):
    role: str
    content: str | list[Document] | None
    name: str
    refusal: str | None
    reasoning_content: str
    thinking_blocks: list[Document]
    tool_calls: list[ToolCall]
    tool_call_id: str
    is_error: bool


class Choice(TypedDict, total=False):
    index: int
    message: Message
    finish_reason: str | None
    logprobs: Document | None
    stop_sequence: str


def text_of(content: object) -> str:
    """The text of a message's content, whether a string or parts; other parts fall away."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(
        part["text"]
        for part in content
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )
