"""What is relayed without being understood: openai-python's moderations, images, audio, files."""

import json

import openai
import pytest

from tests.e2e.conftest import MAX_BODY, Caller, House
from tests.e2e.vendor import FILE, SOUND, asked_for
from tests.vendors.scripted import Received

RECORDING = b"RIFF" + bytes(range(256)) * (3 * MAX_BODY // 256)  # an upload may be larger
NAMED: list[dict[str, object]] = [
    {"extra_query": {"model": "m"}},
    {"extra_headers": {"x-gateway-model": "m"}},
]


def last(house: House) -> Received:
    return house.vendor.journal[-1]


def test_a_moderation_is_relayed(ask: Caller, house: House) -> None:
    answer = ask(lambda c: c.moderations.create(model="m", input="some text"))
    assert answer.results[0].flagged
    assert json.loads(last(house).body) == {"model": "real-model", "input": "some text"}


def test_an_image_is_made(ask: Caller) -> None:
    answer = ask(lambda c: c.images.generate(model="m", prompt="a house", size="256x256"))
    assert answer.data[0].b64_json == "aW1hZ2U="


def test_an_image_is_edited(ask: Caller, house: House) -> None:
    answer = ask(
        lambda c: c.images.edit(model="m", image=("house.png", b"\x89PNG"), prompt="a door")
    )
    assert answer.data[0].b64_json == "aW1hZ2U="
    assert b"\x89PNG" in last(house).body
    assert b"real-model" in last(house).body


def test_speech_is_heard_byte_by_byte(client: openai.OpenAI) -> None:
    spoken = client.audio.speech.create(model="m", voice="alloy", input="hi")
    assert spoken.content == SOUND
    assert spoken.response.headers["content-type"] == "audio/mpeg"


def test_speech_is_streamed(client: openai.OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="m", voice="alloy", input="hi"
    ) as spoken:
        assert b"".join(spoken.iter_bytes(4096)) == SOUND


def test_a_recording_is_transcribed(ask: Caller, house: House) -> None:
    heard = ask(lambda c: c.audio.transcriptions.create(model="m", file=("talk.wav", RECORDING)))
    assert heard.text == f"{len(last(house).body)} bytes heard"
    assert RECORDING in last(house).body


@pytest.mark.parametrize("file_first", [False, True])
def test_the_model_may_stand_on_either_side_of_the_recording(
    client: openai.OpenAI, house: House, file_first: bool
) -> None:
    name = f"either-side-{file_first}"
    parts: list[tuple[str, tuple[str | None, bytes]]] = [
        ("model", (None, f"up/{name}".encode())),
        ("file", ("talk.wav", RECORDING)),
    ]
    heard = client.post(
        "/audio/transcriptions",
        cast_to=openai.types.audio.Transcription,
        files=parts[::-1] if file_first else parts,
        options={"headers": {"content-type": "multipart/form-data"}},
    )
    [seen] = asked_for(name, house.vendor)
    assert heard.text == f"{len(seen.body)} bytes heard"
    assert RECORDING in seen.body
    assert (seen.body.index(b"RIFF") < seen.body.index(name.encode())) is file_first
    assert b"up/" not in seen.body.replace(RECORDING, b"")


@pytest.mark.parametrize("named", NAMED, ids=["query", "header"])
def test_a_file_goes_up_and_comes_back(ask: Caller, house: House, named: dict[str, object]) -> None:
    made = ask(lambda c: c.files.create(file=("lines.jsonl", FILE), purpose="batch", **named))
    assert (last(house).method, last(house).path) == ("POST", "/v1/files")
    assert FILE in last(house).body
    assert last(house).header("x-gateway-model") is None

    found = ask(lambda c: c.files.retrieve(made.id, **named))
    assert (found.id, last(house).path) == ("file-abc", "/v1/files/file-abc")

    content = ask(lambda c: c.files.content(made.id, **named))
    assert content.content == FILE

    deleted = ask(lambda c: c.files.delete(made.id, **named))
    assert deleted.deleted
    assert (last(house).method, last(house).path) == ("DELETE", "/v1/files/file-abc")


def test_a_file_needs_a_model_to_go_to(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.files.create(file=("lines.jsonl", FILE), purpose="batch")
    assert (raised.value.code, raised.value.param) == ("missing_value", "model")


def test_an_upload_that_the_vendor_refuses_is_the_right_exception(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        client.audio.transcriptions.create(model="up/status-422", file=("talk.wav", RECORDING))
    assert raised.value.code == "upstream_refused"
