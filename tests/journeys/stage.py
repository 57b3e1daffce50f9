"""A stage for bad backends: a vendor that plays what a test gives it, a second one that is always
well, a gateway in front of both, and what must hold of each answer and each record.
"""

import contextlib
import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.harness import KEY, Gateway, until
from tests.vendors.openai_wire import chat_body, chat_events
from tests.vendors.scripted import Received, Script, Send, Vendor, response, streamed

SECRET: Final = "sk-upstream-secret"
WELL: Final = "All is well."
ASK: Final[dict[str, object]] = {"messages": [{"role": "user", "content": "hi"}]}
GAUGES: Final = {"gateway_open_exchanges", "gateway_open_streams", "gateway_backend_inflight"}

# What no client may see: our credential, the backends' addresses, traces.
LEAKS: Final = (SECRET.encode(), b"127.0.0.1", b"localhost", b"Traceback", b".py", b"internal.host")

CONFIG: Final = """
keys:
  - {{name: tester, tenant: testers, key: "{key}", models: ["*"]}}
backends:
{backends}
  bad: {{provider: openai_compatible, base_url: "{bad}/v1", credential: {secret}}}
  good: {{provider: openai_compatible, base_url: "{good}/v1", credential: {secret}}}
models:
  calm: bad/real-model        # time enough for a slow machine
  hasty: {{targets: [{{use: bad/real-model}}], timeouts: {{first_content_s: 0.4, idle_s: 0.4}}}}
  patient: {{targets: [{{use: bad/real-model}}], timeouts: {{first_content_s: 2, idle_s: 1}}}}
  brief: {{targets: [{{use: bad/real-model}}], timeouts: {{total_s: 0.8}}}}
  pair: {{targets: [{{use: bad/real-model}}, {{use: good/real-model, tier: 2}}]}}
  hasty-pair:
    targets: [{{use: bad/real-model}}, {{use: good/real-model, tier: 2}}]
    timeouts: {{first_content_s: 0.4, idle_s: 0.4}}
  well: good/real-model
{models}
timeouts: {{connect_s: 1, first_content_s: 15, idle_s: 15, total_s: 30}}
{rules}
"""
# One fault at a time, and nothing remembered of it.
FORGETFUL: Final = """
attempts: {retry_budget_ratio: 0, retry_budget_per_s: 0, max_hold_s: 0}
circuit: {enabled: false}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case; the last of a name
    body: bytes
    seconds: float
    label: str  # the x-request-id that was sent: the record's client_id

    @property
    def error(self) -> dict[str, Any]:
        """The error of a whole answer, its form checked."""
        assert self.headers["content-type"] == "application/json"
        return _error(self.body)

    @property
    def events(self) -> list[bytes]:
        """The data of a stream's events; each is in the plain form."""
        *events, rest = self.body.split(b"\n\n")
        assert rest == b"", rest[:200]
        events = [event for event in events if event != b": "]  # a heartbeat
        for event in events:
            assert event.startswith(b"data: "), event[:200]
        return [event.removeprefix(b"data: ") for event in events]

    @property
    def text(self) -> str:
        """What the assistant said, whole or streamed."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            said: str = json.loads(self.body)["choices"][0]["message"]["content"]
            return said
        chunks = [json.loads(event) for event in self.events if event != b"[DONE]"]
        choices = itertools.chain.from_iterable(chunk.get("choices") or () for chunk in chunks)
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def ending(self) -> tuple[str, str | None]:
        """Outcome and code, as the client could tell them."""
        if self.status != 200:
            return "error", self.error["code"]
        last = self.body.rstrip(b"\n").rpartition(b"\n\n")[2].removeprefix(b"data: ")
        if last.startswith(b'{"error"'):
            return "error", _error(last)["code"]
        return "complete", None

    @property
    def last_error(self) -> dict[str, Any]:
        """The error that ends a stream; nothing may look like a good end."""
        assert self.status == 200
        assert b"[DONE]" not in self.body
        return _error(self.events[-1])


def _error(document: bytes) -> dict[str, Any]:
    top = json.loads(document)
    assert set(top) == {"error"}
    error: dict[str, Any] = top["error"]
    assert set(error) == {"message", "type", "param", "code"}
    for name in ("message", "type", "code"):
        assert isinstance(error[name], str), error
    assert error["param"] is None or isinstance(error["param"], str)
    assert error["message"]
    return error


@dataclass
class Stage:
    gateway: Gateway
    bad: Vendor
    good: Vendor
    script: list[Script] = field(default_factory=list)  # played in turn, the last again and again
    asked: dict[str, Answer] = field(default_factory=dict)
    labels: Iterator[int] = field(default_factory=itertools.count)
    played: int = 0
    choice: Callable[[Received], Script] | None = None  # what the bad vendor plays, instead

    def plays(self, *scripts: Script) -> None:
        """What the bad vendor answers from now on."""
        self.script, self.played, self.choice = list(scripts), 0, None

    def choose(self, request: Received) -> Script:
        self.played += 1
        if self.choice is not None:
            return self.choice(request)
        return self.script[min(self.played, len(self.script)) - 1]

    def ask(
        self,
        model: str = "calm",
        *,
        stream: bool = False,
        headers: Mapping[str, str] | None = None,
        path: str = "/v1/chat/completions",
        fields: Mapping[str, object] | None = None,
    ) -> Answer:
        """One request on a connection of its own; what came back is framed well and leaks nothing.

        Raises http.client.IncompleteRead when the answer is cut.
        """
        label = f"ask-{next(self.labels)}"
        document = {"model": model, **ASK, "stream": stream, **(fields or {})}
        body = json.dumps(document).encode()
        sent = {
            "authorization": f"Bearer {KEY}",
            "content-type": "application/json",
            "x-request-id": label,
            **(headers or {}),
        }
        client = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        started = time.monotonic()
        with contextlib.closing(client):
            client.request("POST", path, body, sent)
            reply = client.getresponse()
            data = reply.read()
            found = {name.lower(): value for name, value in reply.getheaders()}
        seconds = time.monotonic() - started
        answer = self.asked[label] = Answer(reply.status, found, data, seconds, label)
        shown = data + "".join(f"{name}: {value}\n" for name, value in found.items()).encode()
        for leak in (*LEAKS, str(self.bad.port).encode()):
            assert leak not in shown, (leak, shown[:500])
        assert found["x-request-id"].startswith("req_")
        return answer

    def check_well(self) -> None:
        """A good request is answered at once, by the vendor that was bad a moment ago too."""
        self.plays([Send(response(200, chat_body(WELL)))])
        answer = self.ask("calm")
        assert (answer.status, answer.text) == (200, WELL)
        assert answer.seconds < 2
        self.plays([Send(streamed(*chat_events(WELL.split(" "))))])
        answer = self.ask("calm", stream=True)
        assert (answer.text, answer.events[-1]) == (WELL.replace(" ", ""), b"[DONE]")

    def record(self, label: str) -> dict[str, Any]:
        """The one log line of an exchange."""
        return self.gateway.until_line("exchange", client_id=label)

    def check_records(self) -> None:
        """Each exchange has been told once, as the client saw it, and none was a surprise."""
        self.record(list(self.asked)[-1])
        exchanges = self.gateway.lines("exchange")
        lines = [line for line in exchanges if line.get("client_id", "").startswith("ask-")]
        assert sorted(line["client_id"] for line in lines) == sorted(self.asked)
        for line in lines:
            answer = self.asked[line["client_id"]]
            told = (line["status"], line["outcome"], line.get("code"))
            assert told == (answer.status, *answer.ending)
        assert self.gateway.lines("exchange_failed") == []

    def check_nothing_open(self) -> None:
        """No exchange is open, no place at a backend taken; soon after what happened."""

        def idle() -> bool:
            text = self.gateway.get("/metrics", admin=True)[1].decode()
            lines = [line.rpartition(" ") for line in text.splitlines()]
            found = {name: float(v) for name, _, v in lines if name.partition("{")[0] in GAUGES}
            return len(found) > 2 and not any(found.values())

        until(idle, 4, "something is still open")


@contextlib.contextmanager
def stage(models: str = "", backends: str = "", rules: str = FORGETFUL) -> Iterator[Stage]:
    """models, backends: further lines of the config; rules: what follows from failures.

    {bad} among the backends is the bad vendor's URL, {named} the same by its host's name.
    """

    def well(request: Received) -> Script:
        if b'"stream":true' in request.body:
            return [Send(streamed(*chat_events(("from ", "the other"))))]
        return [Send(response(200, chat_body("from the other")))]

    def bad(request: Received) -> Script:
        return made.choose(request)

    with Vendor(choose=bad) as first, Vendor(choose=well) as second:
        backends = backends.replace("{bad}", first.url)
        backends = backends.replace("{named}", first.url.replace("127.0.0.1", "localhost"))
        text = CONFIG.format(
            key=KEY,
            secret=SECRET,
            bad=first.url,
            good=second.url,
            models=models,
            backends=backends,
            rules=rules,
        )
        with Gateway(text) as gateway:
            made = Stage(gateway, first, second)
            yield made
            made.check_nothing_open()
            made.check_records()
