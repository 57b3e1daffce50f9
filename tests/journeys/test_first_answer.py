"""The main job: an OpenAI client, the gateway, a backend that speaks OpenAI's language."""

import json

import openai

from tests.harness import KEY, Gateway, config_for
from tests.vendors.openai_wire import chat_body
from tests.vendors.scripted import Send, Vendor, response


def test_a_chat_request_reaches_the_backend_under_its_own_name() -> None:
    with (
        Vendor([Send(response(200, chat_body()))]) as vendor,
        Gateway(config_for(vendor.url)) as gateway,
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client,
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        seen = vendor.journal[0]
    assert json.loads(seen.body)["model"] == "real-model"
    headers = {name.lower(): value for name, value in seen.headers}
    assert headers["authorization"] == "Bearer sk-upstream-secret"
    assert KEY not in seen.body.decode() + "".join(headers.values())
