"""Azure's door: the v1 API and the dated ones, and what its filter says."""

import json

from gateway.chat.operation import Operation
from gateway.errors import Code
from gateway.providers.azure import PROVIDER, read_error, versioned


def test_a_key_has_a_header_of_its_own() -> None:
    assert PROVIDER.authorize("k") == [(b"api-key", b"k")]
    assert PROVIDER.authorize("") == []


def test_the_v1_api_takes_the_deployment_as_the_model() -> None:
    assert PROVIDER.doors[Operation.CHAT].path == "/openai/v1/chat/completions"
    assert PROVIDER.paths[Operation.IMAGES] == "/openai/v1/images"


def test_a_dated_version_has_a_path_for_each_deployment() -> None:
    dated = versioned("2024-10-21")
    ending = "chat/completions?api-version=2024-10-21"
    assert dated.doors[Operation.CHAT].path == f"/openai/deployments/{{model}}/{ending}"
    assert dated.doors[Operation.RESPONSES].path == "/openai/responses?api-version=2024-10-21"
    assert (dated.name, dated.paths) == ("azure", {})


def test_its_filter_is_told_from_other_refusals() -> None:
    error = {
        "message": "The response was filtered",
        "code": "BadRequest",
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
    said = read_error(json.dumps({"error": error}).encode())
    assert said.message == "The response was filtered"
    assert PROVIDER.classify(400, said, None).code is Code.CONTENT_POLICY
    plain = read_error(b'{"error": {"message": "m", "code": "DeploymentNotFound"}}')
    assert PROVIDER.classify(404, plain, None).code is Code.UPSTREAM_REFUSED
    assert read_error(b"<html>").message == ""
