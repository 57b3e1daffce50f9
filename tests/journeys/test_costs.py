"""Money: the ledger, the metrics and the log say the same of every exchange, however it ends."""

import json
import signal
from pathlib import Path
from typing import Final

import pytest

from gateway.telemetry import ledger, sums
from gateway.telemetry.sums import Sum
from tests.harness import Gateway, config_for, until
from tests.journeys.traffic import chat
from tests.vendors.openai_wire import chat_body, chat_events, error_body, usage
from tests.vendors.scripted import (
    Received,
    Reset,
    Script,
    Send,
    Stall,
    Vendor,
    chunk,
    response,
    stream_head,
    streamed,
)

PRICES: Final = """
prices:
  up/whole: {input_usd_per_mtok: 1000, output_usd_per_mtok: 2000, cached_usd_per_mtok: 100}
  up/*: {input_usd_per_mtok: 1000, output_usd_per_mtok: 2000}
"""
NAMES: Final = ("whole", "streamed", "silent", "down", "cut1", "cut3", "stall0", "stall2")


def playing(request: Received) -> Script:
    """The backend's model says what it does. Its usage lies about money."""
    model = json.loads(request.body)["model"]
    used = {**usage(70, 30), "prompt_tokens_details": {"cached_tokens": 20}, "cost": 0}
    events = chat_events(list("abcd"), used=usage(7, 4))
    match model:
        case "whole":
            return [Send(response(200, chat_body("hi", used=used)))]
        case "streamed":
            return [Send(streamed(*events))]
        case "silent":
            return [Send(streamed(*chat_events(list("abcd"))))]
        case "down":
            return [Send(response(500, error_body("no")))]
        case _:  # the first event says the role only
            count = int(model[-1])
            start = Send(stream_head() + b"".join(map(chunk, events[: 1 + count])))
            return [start, Stall() if model.startswith("stall") else Reset()]


def config(vendor: Vendor, path: Path, more: str = "", form: str = "jsonl") -> str:
    models = "\n".join(f"  {name}: up/{name}" for name in NAMES)
    said = f'{PRICES}\nledger: {{path: "{path}", format: {form}}}\nattempts: {{max: 1}}\n{more}'
    return config_for(vendor.url, models=models, more=said)


def ask(gateway: Gateway, model: str, *, stream: bool = False) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    return gateway.post("/v1/chat/completions", body)[0]


def leave(gateway: Gateway, model: str, *, after: bytes) -> None:
    """A client that goes when it has seen enough."""
    with gateway.connect() as sock:
        sock.sendall(chat(model, stream=True))
        seen = b""
        while after not in seen:
            seen += sock.recv(65536)


def by_model(path: Path) -> dict[str, Sum]:
    found = sums.summed(ledger.read(path), ["model"], 0, 9e9)
    return {names[0]: one for names, one in found.items()}


@pytest.mark.parametrize("form", ["jsonl", "sqlite"])
def test_ledger_metrics_and_log_agree_on_every_ending(tmp_path: Path, form: str) -> None:
    path = tmp_path / "ledger"
    with Vendor(choose=playing) as vendor, Gateway(config(vendor, path, form=form)) as gateway:
        assert ask(gateway, "whole") == 200
        for model in ("streamed", "silent", "cut1", "cut3"):
            ask(gateway, model, stream=True)
        assert ask(gateway, "down") == 502
        leave(gateway, "stall2", after=b'"b"')
        with gateway.connect() as sock:  # it leaves before there is any content
            sock.sendall(chat("stall0", stream=True))
            until(lambda: len(vendor.journal) == 8, 20, "not asked")
        until(lambda: len(gateway.lines("exchange")) == 8, 20, "not told")
        until(lambda: len(by_model(path)) == 7, 20, "not entered")
        found = by_model(path)
        tokens = {
            kind: gateway.metric("gateway_usage_tokens_total", key="tester", token_type=kind)
            for kind in ("input", "output")
        }
        spent = gateway.metric("gateway_usage_cost_usd_total", key="tester")
        by_provider = gateway.metric("gateway_cost_usd_total", provider="openai_compatible")
        lines = {line["model"]: line for line in gateway.lines("exchange")}
    assert "down" not in found
    # what the backend says, at our price: 50 plain, 20 cached, 30 answered
    assert found["whole"].usd == pytest.approx((50 * 1000 + 20 * 100 + 30 * 2000) / 1e6)
    assert (found["streamed"].input_tokens, found["streamed"].output_tokens) == (7, 4)
    # cut at 0, 1, 2 and 3 tokens: those are charged, and what was asked
    for model, count in (("stall0", 0), ("cut1", 1), ("stall2", 2), ("cut3", 3)):
        assert found[model].output_tokens == count, model
        assert found[model].estimated == 1
        assert found[model].input_tokens > 0
    assert found["silent"].output_tokens in (4, 5)  # the event that says why it ended
    names = ("input_tokens", "output_tokens", "usd")
    total = [sum(getattr(one, name) for one in found.values()) for name in names]
    assert total == pytest.approx([tokens["input"], tokens["output"], spent])
    assert by_provider == pytest.approx(spent)
    for model, one in found.items():
        assert lines[model]["cost_usd"] == pytest.approx(one.usd), model
        assert lines[model]["output_tokens"] == one.output_tokens
    assert "cost_usd" not in lines["down"]


ABSURD: Final[tuple[object, ...]] = (  # what no model can have taken
    {"prompt_tokens": -7, "completion_tokens": 3},
    {"prompt_tokens": 7, "completion_tokens": 10**15},
    {"prompt_tokens": 1e300, "completion_tokens": 3},
    {"prompt_tokens": "7", "completion_tokens": [3]},
    {"prompt_tokens": None, "completion_tokens": True},
    {"prompt_tokens": 7.5, "completion_tokens": 3},
    "seven",
    [],
)


def test_usage_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    """What came is counted instead; a limit is none the worse for it."""
    path = tmp_path / "ledger"
    played = iter(ABSURD)

    def play(request: Received) -> Script:
        used = next(played)
        if json.loads(request.body).get("stream"):
            return [Send(streamed(*chat_events(list("abcd"), used=used)))]
        return [Send(response(200, chat_body("hi", used=used)))]

    limits = "tenants: {testers: {limits: {tokens_per_day: 20000}}}"
    with Vendor(choose=play) as vendor, Gateway(config(vendor, path, limits)) as gateway:
        for number in range(len(ABSURD)):
            assert ask(gateway, "whole", stream=number % 2 == 1) == 200
        until(lambda: path.exists() and by_model(path)["whole"].charges == len(ABSURD), 20, "late")
        found = by_model(path)["whole"]
        lines = gateway.lines("exchange")
    assert 0 < found.output_tokens < 1000
    assert 0 < found.input_tokens < 1000
    assert 0 < found.usd < 10
    assert [line["outcome"] for line in lines] == ["complete"] * len(ABSURD)


def test_two_requests_with_one_id_of_the_clients_are_charged_twice(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with Vendor(choose=playing) as vendor, Gateway(config(vendor, path)) as gateway:
        for _ in range(2):
            with gateway.connect() as sock:
                sock.sendall(chat("whole", headers=["x-request-id: same"]))
                assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        until(lambda: path.exists() and by_model(path)["whole"].charges == 2, 20, "not entered")


def test_an_attempt_that_another_took_over_from_is_charged_too(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    more = "circuit: {enabled: false}"
    with Vendor(choose=playing) as vendor:
        text = config(vendor, path, more).replace("attempts: {max: 1}", "attempts: {max: 2}")
        pair = "  pair: {targets: [{use: up/stall0}, {use: up/streamed, tier: 2}],"
        pair += " timeouts: {first_content_s: 0.3}}\n  whole: up"
        text = text.replace("  whole: up", pair, 1)
        with Gateway(text) as gateway:
            assert ask(gateway, "pair", stream=True) == 200
            until(lambda: path.exists() and by_model(path)["pair"].charges == 2, 20, "not entered")
    first, second = ledger.read(path)
    assert (first.target, first.output, first.estimated) == ("stall0", 0, True)
    assert (second.target, second.output, second.estimated) == ("streamed", 4, False)
    assert first.id.removesuffix(".1") == second.id.removesuffix(".2")


def test_a_stop_writes_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with (
        Vendor(choose=playing) as vendor,
        Gateway(config(vendor, path, "server: {workers: 2}")) as gateway,
    ):
        for _ in range(6):
            assert ask(gateway, "whole") == 200
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.send_signal(signal.SIGTERM)  # in a hurry
        assert gateway.process.wait(10) == 0
    assert by_model(path)["whole"].charges == 6


def test_a_ledger_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "later/ledger"
    with Vendor(choose=playing) as vendor, Gateway(config(vendor, path)) as gateway:
        assert ask(gateway, "whole") == 200
        gateway.until_line("ledger_failing")
        path.parent.mkdir()
        gateway.until_line("ledger_recovered")
        assert by_model(path)["whole"].charges == 1


def test_a_price_that_is_not_known_stops_nothing_and_is_counted(tmp_path: Path) -> None:
    with Vendor(choose=playing) as vendor:
        text = config(vendor, tmp_path / "ledger").replace(PRICES, "")
        with Gateway(text) as gateway:
            assert ask(gateway, "whole") == 200
            assert gateway.metric("gateway_unpriced_total", model="whole") == 1
            assert gateway.metric("gateway_price_table_age_seconds") > 0
            (line,) = gateway.lines("exchange")
    assert "cost_usd" not in line


def test_images_cost_what_their_tokens_do_or_each_its_price(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    used = b'"usage":{"input_tokens":50,"output_tokens":4000,"total_tokens":4050}}'
    drawn = b'{"created":1,"data":[{"b64_json":"%b"}],%b' % (b"A" * 100_000, used)
    plain = b'{"created":1,"data":[{"b64_json":"AAAA"}]}'

    def playing(request: Received) -> Script:
        return [Send(response(200, drawn if b"tokens" in request.body else plain))]

    more = (
        f'ledger: {{path: "{path}"}}\ntenants: {{testers: {{budget: {{usd: 0.35, per: total}}}}}}\n'
        "prices:\n  up/by-tokens: {input_usd_per_mtok: 5, output_image_usd_per_mtok: 40}\n"
        "  up/by-image: {image_usd: 0.04}\n"
    )
    models = "  by-tokens: up/by-tokens\n  by-image: up/by-image\n"
    with (
        Vendor(choose=playing) as vendor,
        Gateway(config_for(vendor.url, models=models, more=more)) as gateway,
    ):

        def draw(model: str, n: int) -> int:
            body = {"model": model, "prompt": "a cat", "n": n}
            return gateway.post("/v1/images/generations", body)[0]

        assert draw("by-tokens", 1) == 200
        assert draw("by-image", 2) == 200
        assert draw("by-image", 3) == 429  # 0.16025 and 0.08 are spent, 0.12 does not fit
        assert draw("by-image", 2) == 200
    entries = {entry.target: entry for entry in ledger.read(path)}
    assert entries["by-tokens"].usd == pytest.approx(50 * 5e-6 + 4000 * 40e-6)
    assert (entries["by-tokens"].input, entries["by-tokens"].output) == (50, 4000)
    assert entries["by-image"].usd == pytest.approx(0.08)
