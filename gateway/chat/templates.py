"""A chat as one text, for models that only continue texts: templates, and which model knows which.

Pure. No beginning-of-text word is written: servers put it there themselves. `marks` are a
template's own words; a message that has one could speak for another role, so it is the caller's
part to refuse it. Source: the chat_template of each family's tokenizer_config.json, 2026-11.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]
Turn: TypeAlias = tuple[Role, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """before and after: what stands around a turn of each role. system: none of its own, it goes
    before the first words of the user.
    """

    name: str
    before: Mapping[Role, str]
    after: Mapping[Role, str]
    stop: tuple[str, ...]  # where the model would begin to speak for others
    marks: tuple[str, ...] = ()
    system: bool = True
    shared: str = "{}\n\n"  # the system's words where they share a turn with the user's
    answer: str | None = None  # how the answer begins, if not as the assistant's turns do

    def render(self, turns: Sequence[Turn]) -> str:
        """The text, up to where the model is to go on: within the last turn if that is its own."""
        turns = turns if self.system else _merged(turns, self.shared)
        text = "".join(f"{self.before[role]}{said}{self.after[role]}" for role, said in turns)
        if turns and turns[-1][0] == "assistant":
            return text.removesuffix(self.after["assistant"])
        return text + (self.before["assistant"] if self.answer is None else self.answer)

    def marked(self, text: str) -> str | None:
        """The first of the template's own words that text has."""
        return next((mark for mark in self.marks if mark in text), None)


def _merged(turns: Sequence[Turn], shared: str) -> list[Turn]:
    """The system's words before the user's that follow; where none do, as the user's own."""
    out: list[Turn] = []
    waiting: list[str] = []
    for role, said in turns:
        if role == "system":
            waiting.append(said)
            continue
        if role == "user" and waiting:
            said = shared.format("\n\n".join(waiting)) + said
        elif waiting:
            out.append(("user", "\n\n".join(waiting)))
        waiting = []
        out.append((role, said))
    if waiting:
        out.append(("user", "\n\n".join(waiting)))
    return out


def _all(before: str, after: str, **names: str) -> tuple[Mapping[Role, str], Mapping[Role, str]]:
    """The same around every role, with `{}` for its name."""
    roles: tuple[Role, ...] = ("system", "user", "assistant")
    return (
        MappingProxyType({role: before.format(names.get(role, role)) for role in roles}),
        MappingProxyType({role: after.format(names.get(role, role)) for role in roles}),
    )


def _each(system: str, user: str, assistant: str) -> Mapping[Role, str]:
    return MappingProxyType({"system": system, "user": user, "assistant": assistant})


def _framed(
    name: str,
    around: tuple[Mapping[Role, str], Mapping[Role, str]],
    stop: tuple[str, ...],
    marks: tuple[str, ...],
    *,
    system: bool = True,
) -> Template:
    before, after = around
    return Template(name=name, before=before, after=after, stop=stop, marks=marks, system=system)


PLAIN: Final = Template(
    name="plain",
    before=_each("", "User:\n", "Assistant:\n"),
    after=_each("\n\n", "\n\n", "\n\n"),
    stop=("\n\nUser:", "\nUser:"),
)

TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(
    {
        template.name: template
        for template in (
            PLAIN,
            _framed(
                "chatml",
                _all("<|im_start|>{}\n", "<|im_end|>\n"),
                ("<|im_end|>", "<|im_start|>"),
                ("<|im_start|>", "<|im_end|>"),
            ),
            _framed(
                "llama3",
                _all("<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>"),
                ("<|eot_id|>", "<|start_header_id|>"),
                ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>"),
            ),
            _framed(
                "llama4",
                _all("<|header_start|>{}<|header_end|>\n\n", "<|eot|>"),
                ("<|eot|>", "<|header_start|>"),
                ("<|header_start|>", "<|header_end|>", "<|eot|>", "<|begin_of_text|>"),
            ),
            Template(
                name="llama2",
                before=_each("", "[INST] ", " "),
                after=_each("", " [/INST]", " </s><s>"),
                stop=("[INST]", "</s>"),
                marks=("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "</s>", "<s>"),
                system=False,
                shared="<<SYS>>\n{}\n<</SYS>>\n\n",
                answer="",
            ),
            Template(
                name="mistral",
                before=_each("", "[INST] ", " "),
                after=_each("", "[/INST]", "</s>"),
                stop=("[INST]", "</s>"),
                marks=("[INST]", "[/INST]", "</s>", "<s>"),
                system=False,
                answer="",
            ),
            _framed(
                "gemma",
                _all("<start_of_turn>{}\n", "<end_of_turn>\n", assistant="model"),
                ("<end_of_turn>", "<start_of_turn>"),
                ("<start_of_turn>", "<end_of_turn>", "<bos>"),
                system=False,
            ),
            _framed(
                "phi",
                _all("<|{}|>\n", "<|end|>\n"),
                ("<|end|>", "<|user|>"),
                ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
            ),
            _framed(
                "zephyr",
                _all("<|{}|>\n", "</s>\n"),
                ("</s>", "<|user|>"),
                ("<|system|>", "<|user|>", "<|assistant|>", "</s>"),
            ),
            Template(
                name="deepseek",
                before=_each("", "<｜User｜>", "<｜Assistant｜>"),
                after=_each("", "", "<｜end▁of▁sentence｜>"),
                stop=("<｜end▁of▁sentence｜>", "<｜User｜>"),
                marks=("<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
            ),
            Template(
                name="vicuna",
                before=_each("", "USER: ", "ASSISTANT: "),
                after=_each("\n\n", "\n", "</s>\n"),
                stop=("\nUSER:", "</s>"),
                marks=("</s>",),
                answer="ASSISTANT:",
            ),
            Template(
                name="alpaca",
                before=_each("", "### Instruction:\n", "### Response:\n"),
                after=_each("\n\n", "\n\n", "\n\n"),
                stop=("\n\n### Instruction:", "### Instruction:"),
                marks=("### Instruction:", "### Response:"),
            ),
        )
    }
)

# A model's name -> its template. The first row that matches counts. A family's base models have
# seen no template: they are continued in the plain one.
_TUNED: Final = re.compile(r"instruct|chat|[-_]it\b|assistant")
_FAMILIES: Final = (
    (re.compile(r"llama[-_ ]?4"), "llama4", True),
    (re.compile(r"llama[-_ ]?3"), "llama3", True),
    (re.compile(r"llama[-_ ]?2"), "llama2", True),
    (re.compile(r"hermes|dolphin|chatml|openchat"), "chatml", False),
    (re.compile(r"zephyr|tinyllama"), "zephyr", False),
    (re.compile(r"vicuna"), "vicuna", False),
    (re.compile(r"alpaca"), "alpaca", False),
    (re.compile(r"gemma"), "gemma", True),
    (re.compile(r"qwen|smollm|[/_-]yi[-_]|^yi[-_]|internlm"), "chatml", True),
    (re.compile(r"deepseek"), "deepseek", True),
    (re.compile(r"mistral|mixtral|ministral|codestral"), "mistral", True),
    (re.compile(r"phi[-_]?[34]"), "phi", True),
)


def named(model: str) -> Template:
    """The template that a model of this name has been taught, as far as names tell."""
    name = model.lower()
    tuned = _TUNED.search(name) is not None
    for family, template, only_tuned in _FAMILIES:
        if family.search(name) and (tuned or not only_tuned):
            return TEMPLATES[template]
    return PLAIN
