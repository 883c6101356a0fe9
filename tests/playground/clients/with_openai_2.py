"""The second major version of OpenAI's own client: argv are the base URL, a key and a model that can call."""

import asyncio
import sys

import openai

base_url, key, model = sys.argv[1:]
assert openai.__version__.startswith("2."), openai.__version__
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0)
HELLO = [{"role": "user", "content": "Hello"}]

assert model in [each.id for each in client.models.list()]
whole = client.chat.completions.create(model=model, messages=HELLO, temperature=0, max_tokens=8)
assert whole.usage.completion_tokens == 8
with client.chat.completions.stream(model=model, messages=HELLO, temperature=0, max_tokens=8) as stream:
    text = "".join(event.delta for event in stream if event.type == "content.delta")
assert text == whole.choices[0].message.content


async def again() -> str:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0) as other:
        stream = await other.chat.completions.create(
            model=model, messages=HELLO, temperature=0, max_tokens=8, stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


assert asyncio.run(again()) == text
scored = client.completions.create(model=model, prompt="def wrap(", max_tokens=1, logprobs=2, echo=True)
assert scored.choices[0].logprobs.token_logprobs[0] is None
refused = None
try:
    client.embeddings.create(model=model, input="a")
except openai.BadRequestError as error:
    refused = error.code
assert refused == "not_supported"
print("ok")
