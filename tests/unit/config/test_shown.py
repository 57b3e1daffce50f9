"""A config as it may be seen."""

import json

from gateway.config.shown import shown
from tests.unit.config.reading import read

PLANTED = "planted-secret-0123456789"
TEXT = f"""
admin: {{token: {PLANTED}}}
store: redis://:{PLANTED}@host:1/0
keys: [{{name: a, tenant: t, key: {PLANTED}x}}]
keys_file: {{path: keys.json, secret: {PLANTED}}}
backends:
  up:
    provider: openai_compatible
    base_url: "http://host/v1"
    credential: {PLANTED}
    proxy: "http://me:{PLANTED}@proxy:1"
models:
  m: {{targets: [{{use: up/x}}], defaults: {{temperature: 0}}}}
"""


def test_what_is_secret_is_masked_and_the_rest_is_there() -> None:
    text = json.dumps(shown(read(TEXT)))
    assert PLANTED not in text
    said = json.loads(text)
    assert said["backends"]["up"]["base_url"] == "http://host/v1"
    assert said["backends"]["up"]["credential"] == "***"
    assert said["store"] == "redis://***@host:1/0"
    assert said["keys"][0]["digest"] == "***"
    assert said["models"]["m"]["defaults"] == {"temperature": 0}


def test_what_is_not_given_is_shown_as_such() -> None:
    said = json.loads(
        json.dumps(shown(read("backends: {s: {provider: simulated}}\nmodels: {m: s/x}")))
    )
    assert said["admin"]["token"] == ""
