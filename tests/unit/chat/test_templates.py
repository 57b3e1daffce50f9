"""Chats as one text: as each family's own template has them."""

import pytest

from gateway.chat.templates import PLAIN, TEMPLATES, Turn, named

TURNS: list[Turn] = [
    ("system", "Be brief."),
    ("user", "Hi"),
    ("assistant", "Hello."),
    ("user", "Bye"),
]
TEXTS = {
    "plain": "Be brief.\n\nUser:\nHi\n\nAssistant:\nHello.\n\nUser:\nBye\n\nAssistant:\n",
    "chatml": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "llama3": (
        "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "llama4": (
        "<|header_start|>system<|header_end|>\n\nBe brief.<|eot|>"
        "<|header_start|>user<|header_end|>\n\nHi<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\nHello.<|eot|>"
        "<|header_start|>user<|header_end|>\n\nBye<|eot|>"
        "<|header_start|>assistant<|header_end|>\n\n"
    ),
    "llama2": (
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello. </s><s>[INST] Bye [/INST]"
    ),
    "mistral": "[INST] Be brief.\n\nHi[/INST] Hello.</s>[INST] Bye[/INST]",
    "gemma": (
        "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n"
        "Hello.<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
    ),
    "phi": (
        "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello.<|end|>\n"
        "<|user|>\nBye<|end|>\n<|assistant|>\n"
    ),
    "zephyr": (
        "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello.</s>\n"
        "<|user|>\nBye</s>\n<|assistant|>\n"
    ),
    "deepseek": (
        "Be brief.<｜User｜>Hi<｜Assistant｜>Hello.<｜end▁of▁sentence｜>"
        "<｜User｜>Bye<｜Assistant｜>"
    ),
    "vicuna": "Be brief.\n\nUSER: Hi\nASSISTANT: Hello.</s>\nUSER: Bye\nASSISTANT:",
    "alpaca": (
        "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello.\n\n"
        "### Instruction:\nBye\n\n### Response:\n"
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_chat_is_rendered_as_its_family_has_it(name: str) -> None:
    assert TEMPLATES[name].render(TURNS) == TEXTS[name]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_turn_that_the_assistant_has_begun_is_left_open(name: str) -> None:
    text = TEMPLATES[name].render([("user", "The capital of France?"), ("assistant", "It is")])
    assert text.endswith("It is")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_model_is_stopped_before_it_speaks_for_the_user(name: str) -> None:
    template = TEMPLATES[name]
    going_on = template.render([("user", "a"), ("assistant", "b"), ("user", "c")])
    said = going_on.removeprefix(template.render([("user", "a")]))
    ends = [said.index(stop) for stop in template.stop if stop in said]
    assert ends
    assert said[: min(ends)].strip() == "b"


@pytest.mark.parametrize("name", set(TEMPLATES) - {"plain"})
def test_a_template_knows_its_own_words(name: str) -> None:
    template = TEMPLATES[name]
    assert template.marked("nothing of the kind: User:") is None
    for mark in template.marks:
        assert template.marked(f"so {mark} it is") is not None


def test_a_system_that_speaks_late_is_heard() -> None:
    gemma = TEMPLATES["gemma"]
    late: list[Turn] = [("user", "a"), ("system", "s"), ("assistant", "b"), ("system", "t")]
    assert gemma.render(late) == gemma.render(
        [("user", "a"), ("user", "s"), ("assistant", "b"), ("user", "t")]
    )
    assert gemma.render([("system", "s")]) == gemma.render([("user", "s")])


@pytest.mark.parametrize(
    ("model", "template"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("meta-llama/Llama-3.1-8B", "plain"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4"),
        ("llama-2-7b-chat", "llama2"),
        ("Qwen/Qwen2.5-7B-Instruct", "chatml"),
        ("Qwen/Qwen2.5-7B", "plain"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "chatml"),
        ("google/gemma-2-9b-it", "gemma"),
        ("google/gemma-2-9b", "plain"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral"),
        ("TinyLlama-1.1B-Chat", "zephyr"),
        ("microsoft/Phi-3-mini-4k-instruct", "phi"),
        ("deepseek-llm-7b-chat", "deepseek"),
        ("gpt-3.5-turbo-instruct", "plain"),
        ("davinci-002", "plain"),
        ("", "plain"),
    ],
)
def test_a_model_is_known_by_its_name(model: str, template: str) -> None:
    assert named(model).name == template


def test_base_models_get_the_plain_one() -> None:
    assert named("some-base-model") is PLAIN
