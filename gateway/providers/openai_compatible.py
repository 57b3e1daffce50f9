"""Any server that speaks OpenAI's API: vLLM, llama.cpp, SGLang, Ollama, a gateway like this one."""

from gateway.providers.base import Provider

PROVIDER = Provider(name="openai_compatible", base_url=None)
