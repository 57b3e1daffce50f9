"""What the lingua franca says and OpenAI has other words for, in chat as in responses.

Source: platform.openai.com/docs/guides/reasoning, 2026-11.
"""

from typing import Final

from gateway.chat.document import Document, text_of

# Thinking tokens below which each word holds; the rest is "high".
_EFFORTS: Final = ((4096, "low"), (16384, "medium"))


def effort(chat: Document) -> str | None:
    """How hard to think: the word that was said, else the one for a budget."""
    said = chat.get("reasoning_effort")
    thinking = chat.get("thinking")
    if said is not None or not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return said if isinstance(said, str) else None
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int):
        return None
    return next((word for below, word in _EFFORTS if budget < below), "high")


def failed(content: object) -> str | list[Document]:
    """The result of a tool that failed says so in its text: there is no other place."""
    if text_of(content).lstrip().lower().startswith("error"):
        return content if isinstance(content, list) else text_of(content)
    if isinstance(content, list):
        return [{"type": "text", "text": "Error: "}, *content]
    return f"Error: {text_of(content)}"
