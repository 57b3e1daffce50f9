"""The model in the house: no key, no network, settable speed and faults. See gateway.simulated."""

from gateway.chat.operation import Operation
from gateway.providers.base import OPENAI_PATHS, Provider

PROVIDER = Provider(
    name="simulated",
    base_url="http://simulated/v1",
    paths={Operation.RESPONSES: OPENAI_PATHS[Operation.RESPONSES]},
)
