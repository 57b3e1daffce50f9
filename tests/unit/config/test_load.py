"""The file as a whole: examples, every kind of fault with its place, garbage in bounded time."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.config.load import ConfigError, load, parse
from gateway.config.schema import Config
from tests.unit.config.reading import PROVIDERS, SIM, blame, read, told

EXAMPLES = Path(__file__).parent / "examples"
ENV = {"OPENAI_API_KEY": "sk-planted-openai", "SEARCH_KEY": "key-of-the-search-team"}


def _vendor_secret(path: str) -> str:
    assert path == "/run/secrets/anthropic"
    return "sk-planted-anthropic"


def _everything() -> Config:
    text = (EXAMPLES / "everything.yaml").read_bytes()
    return read(text, env=ENV, read_secret=_vendor_secret)


def test_the_shortest_example_loads() -> None:
    config = read((EXAMPLES / "shortest.yaml").read_text("utf-8"), env=ENV)
    (target,) = config.models["fast"].targets
    assert (target.backend, target.model) == ("openai", "gpt-5-mini")
    assert config.backends["openai"].credential.reveal() == "sk-planted-openai"
    assert config.server.listen.loopback
    assert config.keys == ()
    assert config.waiting == ()


def test_the_long_example_loads_with_all_it_says() -> None:
    config = _everything()
    assert str(config.server.listen) == "127.0.0.1:8080"
    assert not config.admin.token
    assert config.on_store_error.budgets == "deny"
    assert config.tenants["search"].limits.requests_per_minute == 6000
    assert config.tenants["search"].budget is not None
    assert config.tenants["research"].budget is None
    search, lab = config.keys
    assert search.models == ("fast", "smart*")
    assert search.limits.concurrent == 64
    assert lab.digest.hex().startswith("9f86d081884c7d65")
    assert config.backends["claude"].credential.reveal() == "sk-planted-anthropic"
    assert config.backends["local"].max_in_flight == 64
    assert config.backends["old"].operations == ("completion",)
    assert config.backends["bedrock"].region == "eu-central-1"
    simulated = config.backends["sim"].simulated
    assert simulated is not None
    assert simulated.tokens_per_second == 50
    smart = config.models["smart"]
    assert [(one.backend, one.model, one.weight, one.tier) for one in smart.targets] == [
        ("claude", "claude-opus-5", 9, 1),
        ("openai", "gpt-5.6", 1, 1),
        ("local", "llama-70b", 1, 2),
    ]
    assert smart.attempts.max == 3
    assert smart.timeouts.total_s == 120
    assert smart.fallbacks == {"context_length": ("long",), "any": ("fast",)}
    assert config.models["long"].defaults == {"temperature": 0}
    assert config.models["long"].force == {"seed": 7}
    assert config.models["lab/*"].targets[0].model == "*"
    assert config.cache.enabled
    assert config.prices["openai/gpt-5-mini"].cached_usd_per_mtok == 0.025
    assert len(config.waiting) == 0


def test_no_secret_of_a_config_is_shown_by_it() -> None:
    config = _everything()
    shown = repr(config) + repr(config.backends) + repr(config.keys) + repr(config.admin)
    for planted in ("planted", "key-of-the-search-team"):
        assert planted not in shown


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    file, secret = tmp_path / "config.yaml", tmp_path / "credential"
    secret.write_text("sk-of-a-file\n")
    file.write_text(SIM.replace("simulated", f'simulated, credential: "file:{secret}"'))
    config = load(file, env={}, overrides=[("server.workers", "2")], known_providers=PROVIDERS)
    assert config.backends["sim"].credential.reveal() == "sk-of-a-file"
    assert config.server.workers == 2


def test_messages_call_the_file_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("server: 1\n")
    with pytest.raises(ConfigError, match=rf"^{file}:1:1 "):
        load(file, env={}, known_providers=PROVIDERS)


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file or directory$"):
        load(tmp_path / "none.yaml", env={}, known_providers=PROVIDERS)
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load(tmp_path, env={}, known_providers=PROVIDERS)


def test_a_huge_file_is_refused_without_reading_it_whole(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(10 << 30)
    with pytest.raises(ConfigError, match="larger than 1048576 bytes"):
        load(file, env={}, known_providers=PROVIDERS)


def test_a_half_written_file_is_never_taken_for_a_whole_one() -> None:
    text = (EXAMPLES / "everything.yaml").read_text("utf-8")
    whole = _everything().hash
    taken = 0
    for end in range(0, len(text) - 1, 37):
        try:
            config = read(text[:end], env=ENV, read_secret=_vendor_secret)
        except ConfigError:
            continue
        taken += 1
        assert config.hash != whole or not text[end:].strip()
    assert taken < 40  # cuts at the end of a section, where the file has said enough to be one


def test_providers_are_the_callers_to_know() -> None:
    with pytest.raises(ConfigError, match="unknown provider 'simulated'"):
        parse(SIM, path="c", env={}, known_providers=["openai"])


# Each fault alone: the text (behind a sound beginning of two lines, unless it has models itself),
# where it is told, and what.
FAULTS = [
    ("sever: {}", 3, 1, "sever", "unknown key 'sever'; did you mean 'server'?"),
    ("zzz: 1", 3, 1, "zzz", "unknown key 'zzz'"),
    ("1: 1", 3, 1, "1", "unknown key '1'"),
    ("server: []", 3, 9, "server", "must be a section of keys and values"),
    ("server: here", 3, 9, "server", "must be a section of keys and values"),
    ("server: {listen: 8080}", 3, 18, "server.listen", "must be host:port, such as"),
    ("server: {listen: [a]}", 3, 18, "server.listen", "must be host:port"),
    ("server: {listen: 127.0.0.1:70000}", 3, 18, "server.listen", "has a port above 65535"),
    ("server: {listen: '[::g]:1'}", 3, 18, "server.listen", "must be host:port"),
    ("server: {listen: 0.0.0.0:1}", 3, 18, "server.listen", "without keys, callers are anonymous"),
    ("server: {workers: 0}", 3, 19, "server.workers", "must be at least 1"),
    ("server: {workers: 257}", 3, 19, "server.workers", "must be at most 256"),
    ("server: {workers: 1.5}", 3, 19, "server.workers", "must be a whole number"),
    ("server: {workers: yes}", 3, 19, "server.workers", "must be a whole number"),
    ("server: {workers: 010}", 3, 19, "server.workers", "must be a whole number"),
    ("server: {workers: {}}", 3, 19, "server.workers", "must be a whole number"),
    ("server: {workers: '2'}", 3, 19, "server.workers", "without quotes"),
    ("server: {max_body_bytes: 32MB}", 3, 26, "server.max_body_bytes", "must be a whole number"),
    ("server: {body_timeout_s: 30s}", 3, 26, "server.body_timeout_s", "must be a number"),
    ("server: {body_timeout_s: 0}", 3, 26, "server.body_timeout_s", "must be more than 0"),
    ("server: {body_timeout_s: -1}", 3, 26, "server.body_timeout_s", "must be more than 0"),
    ("server: {body_timeout_s: .inf}", 3, 26, "server.body_timeout_s", "must be a number"),
    ("server: {body_timeout_s: .nan}", 3, 26, "server.body_timeout_s", "must be a number"),
    ("server: {body_timeout_s: 1e999}", 3, 26, "server.body_timeout_s", "must be a finite number"),
    ("server: {body_timeout_s: 1e6}", 3, 26, "server.body_timeout_s", "must be at most 86400"),
    ("admin: {token: short}", 3, 16, "admin.token", "must have 16 characters or more"),
    ("admin: {token: [a]}", 3, 16, "admin.token", "must be a text"),
    ("admin: {token: '${NO}'}", 3, 16, "admin.token", "environment variable NO is not set"),
    ("admin: {token: '${NULL}'}", 3, 16, "admin.token", "environment variable NULL is empty"),
    ("admin: {token: '${A B}'}", 3, 16, "admin.token", "has a '${' that begins no"),
    ("admin: {token: 'file:/none'}", 3, 16, "admin.token", "cannot be read: No such file"),
    ("admin: {token: 'file:none'}", 3, 16, "admin.token", "by its whole path"),
    ("store: disk", 3, 8, "store", "must be memory, redis://"),
    ("on_store_error: {limits: maybe}", 3, 26, "on_store_error.limits", "must be one of allow"),
    ("on_store_error: {cache: hit}", 3, 25, "on_store_error.cache", "must be one of miss"),
    ("tenants: {t: {limits: {concurrent: 0}}}", 3, 36, "tenants.t.limits.concurrent", "at least 1"),
    ("tenants: {t: {limits: {usd_per_day: 0}}}", 3, 37, "tenants.t.limits.usd_per_day", "than 0"),
    ("tenants: {t: {budget: {usd: 5}}}", 3, 23, "tenants.t.budget.per", "is missing; one of day"),
    ("tenants: {t: {budget: {usd: x, per: day}}}", 3, 29, "tenants.t.budget.usd", "be a number"),
    ("tenants: {t: {budget: 5}}", 3, 23, "tenants.t.budget", "must be a section"),
    ('tenants: {"": {}}', 3, 11, 'tenants.""', "the name is empty"),
    ('tenants: {"a\\nb": {}}', 3, 11, 'tenants."a\nb"', "the name has a character that cannot"),
    ("tenants: [a]", 3, 10, "tenants", "must be a section of keys and values"),
    ("keys: {a: b}", 3, 7, "keys", "must be a list"),
    ("keys: [a]", 3, 8, "keys[0]", "must be a section of keys and values"),
    ("keys: [{name: a, tenant: t}]", 3, 8, "keys[0]", "must have either key or digest"),
    ("attempts: {max: 21}", 3, 17, "attempts.max", "must be at most 20"),
    ("attempts: 3", 3, 11, "attempts", "must be a section of keys and values"),
    ("attempts: {retry_budget_ratio: 20}", 3, 32, "attempts.retry_budget_ratio", "at most 1"),
    ("timeouts: {conect_s: 5}", 3, 12, "timeouts.conect_s", "did you mean 'connect_s'?"),
    ("circuit: {enabled: on}", 3, 20, "circuit.enabled", "must be true or false"),
    ("circuit: {enabled: 1}", 3, 20, "circuit.enabled", "must be true or false"),
    ("circuit: {failure_ratio: 0}", 3, 26, "circuit.failure_ratio", "must be more than 0"),
    ("cache: {verify: 2}", 3, 17, "cache.verify", "must be at most 1"),
    ("cache: true", 3, 8, "cache", "must be a section of keys and values"),
    (
        "prices: {a/b: {input_usd_per_mtok: -1}}",
        3,
        36,
        "prices.a/b.input_usd_per_mtok",
        "must be at least 0",
    ),
    ("prices: {a: {input_usd_per_mtok: 1}}", 3, 10, "prices.a", "must be named backend/model"),
    ("logging: {level: loud}", 3, 18, "logging.level", "must be one of debug, error, info"),
    ("logging: {level: info, level: info}", 3, 24, "logging.level", "stands here twice"),
    ("server: {}\nserver: {}", 4, 1, "server", "stands here twice, first in line 3"),
    ("models: {demo: sim/other}", 3, 1, "models", "stands here twice, first in line 2"),
    ("logging: &x {}\ncache: {<<: *x}", 4, 9, "cache.<<", "merge keys are not read"),
]


@pytest.mark.parametrize(("text", "line", "column", "key", "message"), FAULTS)
def test_a_fault_is_told_with_its_place_and_key(
    text: str, line: int, column: int, key: str, message: str
) -> None:
    (fault,) = blame(SIM + text, env={"NULL": ""})
    assert (fault.path, fault.line, fault.column, fault.key) == ("config.yaml", line, column, key)
    assert message in fault.message


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "",
            [
                "config.yaml backends: is missing; a section of names and values belongs here",
                "config.yaml models: is missing; a section of names and values belongs here",
            ],
        ),
        (
            "backends:\nmodels:\n",
            [
                "config.yaml:1:10 backends: is empty; one or more belong here",
                "config.yaml:2:8 models: is empty; one or more belong here",
            ],
        ),
        ("[]", ["config.yaml:1:1: must be a section of keys and values"]),
        ("just text", ["config.yaml:1:1: must be a section of keys and values"]),
    ],
)
def test_a_file_without_the_two_sections_is_refused(text: str, lines: list[str]) -> None:
    assert told(text) == lines


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = SIM + "\n".join(text for text, *_ in FAULTS if text.startswith("timeouts"))
    text += "\ncircuit: {enabled: on}\nlogging: {level: loud}\nlogging: {}\n"
    faults = blame(text, overrides=[("server.workers", "0")])
    assert [(fault.path, fault.line) for fault in faults] == [
        ("--set server.workers", 0),
        ("config.yaml", 3),
        ("config.yaml", 4),
        ("config.yaml", 5),
        ("config.yaml", 6),
    ]


def test_very_many_faults_end_the_reading() -> None:
    begun = time.process_time()
    faults = blame(SIM + "server:\n" + "".join(f"  listem{i}: 1\n" for i in range(20_000)))
    assert len(faults) == 101
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("name", ["on", "1.5", "null", "2024-01-01", "yes", "~", "010", "1:30"])
def test_a_model_may_have_any_name(name: str) -> None:
    config = read(f"backends: {{sim: {{provider: simulated}}}}\nmodels:\n  {name}: sim/{name}\n")
    assert list(config.models) == [name]
    assert config.models[name].targets[0].model == name


# Words and signs that a broken config is likely to be made of.
PIECES = st.sampled_from(
    [
        *"{}[]:,&*!|>%@`'\"#-?~ \n\t\\",
        *("  ", "\n  ", "\n- ", ": ", "<<: ", "&a ", "*a", "${A}", "${", "$${", "file:/none"),
        *("server", "listen", "models", "backends", "sim", "provider", "simulated", "demo"),
        *("sim/lorem", "targets", "use", "keys", "name", "key", "digest", "fallbacks", "any"),
        *("null", "true", "1", "-1", ".nan", "1e999", "0x1", "\ufeff", "\x00", "ü", "\U0001f600"),
    ]
)


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join), st.binary()))
@example("!!python/object/apply:os.system ['true']")
@example("{" * 3000)
@example("? [a]\n: b")
def test_any_garbage_is_a_config_or_a_config_error(text: str | bytes) -> None:
    for garbage in (text, SIM.encode() + (text if isinstance(text, bytes) else _octets(text))):
        begun = time.process_time()
        told = _told(garbage, {"A": "planted-value"})
        assert "planted-value" not in told
        assert time.process_time() - begun < 2


def _told(text: str | bytes, env: Mapping[str, str]) -> str:
    """Empty if the text is a config; anything but a ConfigError is let through."""
    try:
        read(text, env=env, read_secret=lambda _path: "planted")
    except ConfigError as error:
        return str(error)
    return ""


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=200)
@given(st.data())
def test_any_scar_in_a_sound_file_is_a_config_or_a_config_error(data: st.DataObject) -> None:
    text = (EXAMPLES / "everything.yaml").read_text("utf-8")
    at = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 20))
    scar = text[:at] + data.draw(PIECES) + text[at + gone :]
    assert "planted" not in _told(scar, ENV)


KEYS = st.text(st.sampled_from('.[]"0ab*/'), max_size=12)


@given(KEYS, st.text(max_size=20))
def test_any_override_is_taken_or_a_config_error(key: str, value: str) -> None:
    with suppress(ConfigError):
        read(SIM, overrides=[(key, value)])


@pytest.mark.parametrize(
    "text",
    [
        "server:\n" + "".join(f"  listen{i}: 1\n" for i in range(50_000)),
        "keys: [" + "{}," * 30_000 + "]",
        "models: {" + ",".join(f"m{i}: x" for i in range(40_000)) + "}",
        "models: {m: {targets: [{use: sim/x}], fallbacks: {any: ["
        + ",".join(f"n{i}" for i in range(40_000))
        + "]}}}",
        "a: &a [" + "x," * 500 + "]\nb: [" + "*a," * 99 + "]",
        '"' + "x" * 1_000_000 + '": 1',
        "store: " + "x" * 1_000_000,
        "store: '" + "${" * 500_000 + "'",
        "store: " + "$${" * 300_000,
        "server: {workers: " + "9" * 900_000 + "}",
        "timeouts: {idle_s: " + "9" * 900_000 + "}",
        "[" * 1_000_000,
        "- " * 500_000,
        "? " * 500_000,
        "{a: " * 200_000,
        "&a " * 300_000,
        "'" * 1_000_000,
        "\t" * 1_000_000,
        "# " * 500_000,
        "%YAML " * 100_000,
        "|\n" + " x\n" * 300_000,
        "a\n" * 500_000,
    ],
    ids=range(22),
)
def test_hostile_files_are_refused_in_bounded_time(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(ConfigError):
        read("backends: {sim: {provider: simulated}}\n" + text)
    with pytest.raises(ConfigError):
        read(text)
    assert time.process_time() - begun < 10
