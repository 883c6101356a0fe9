"""litellm against a live server: argv are the base URL, a key and a model that can call."""

import asyncio
import sys

import litellm

base_url, key, model = sys.argv[1:]
litellm.telemetry = False
HELLO = [{"role": "user", "content": "Hello"}]
TIME = {"name": "get_time", "description": "The time.", "parameters": {"type": "object", "properties": {}}}
ASK = {
    "model": f"openai/{model}",
    "api_base": base_url,
    "api_key": key,
    "temperature": 0,
    "num_retries": 0,
    "messages": HELLO,
}

whole = litellm.completion(**ASK, max_tokens=8)
assert whole.choices[0].message.content
assert whole.usage.completion_tokens == 8, whole
pieces = litellm.completion(**ASK, max_tokens=8, stream=True, stream_options={"include_usage": True})
assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole.choices[0].message.content


async def again() -> str:
    stream = await litellm.acompletion(**ASK, max_tokens=8, stream=True)
    return "".join([piece.choices[0].delta.content or "" async for piece in stream])


assert asyncio.run(again()) == whole.choices[0].message.content

tools = {"tools": [{"type": "function", "function": TIME}], "max_tokens": 200}
asked = litellm.completion(**ASK, **tools, tool_choice="required", parallel_tool_calls=False).choices[0]
[call] = asked.message.tool_calls
assert (call.function.name, asked.finish_reason) == ("get_time", "tool_calls"), asked
result = {"role": "tool", "tool_call_id": call.id, "content": "12:30"}
told = litellm.completion(**ASK | {"messages": [*HELLO, asked.message, result]}, **tools | {"max_tokens": 8})
assert told.choices[0].message.content

texts = litellm.text_completion(
    model=f"text-completion-openai/{model}", api_base=base_url, api_key=key, prompt="def wrap(", max_tokens=8
)
assert texts.choices[0].text
refused = ""
try:
    litellm.completion(**ASK | {"model": "openai/gpt-9"})
except litellm.NotFoundError as error:
    refused = str(error)
assert "does not exist" in refused
print("ok")
