"""LangChain's ChatOpenAI against a live server: argv are the base URL, a key and a model that can call."""

import asyncio
import sys

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI

base_url, key, model = sys.argv[1:]
chat = ChatOpenAI(base_url=base_url, api_key=key, model=model, temperature=0, max_tokens=200, max_retries=0)

whole = chat.invoke([("system", "Be brief."), ("user", "Hello")], max_tokens=8)
assert whole.content
assert whole.usage_metadata["output_tokens"] == 8, whole
assert whole.response_metadata["model_name"] == model

pieces = list(chat.stream("Hello", max_tokens=8, stream_usage=True))
assert sum((piece.usage_metadata or {}).get("output_tokens", 0) for piece in pieces) == 8
alone = chat.invoke("Hello", max_tokens=8)
assert "".join(piece.content for piece in pieces) == alone.content


async def again() -> str:
    return "".join([piece.content async for piece in chat.astream("Hello", max_tokens=8)])


assert asyncio.run(again()) == alone.content


@tool
def get_time() -> str:
    """The time now."""
    return "12:30"


bound = chat.bind_tools([get_time], tool_choice="required", parallel_tool_calls=False)
asked = bound.invoke("What time is it?")
[call] = asked.tool_calls
assert (call["name"], call["args"]) == ("get_time", {}), asked
told = chat.bind_tools([get_time]).invoke(
    [HumanMessage("What time is it?"), asked, ToolMessage("12:30", tool_call_id=call["id"])], max_tokens=8
)
assert isinstance(told, AIMessage)
assert told.content

schema = {
    "title": "forecast",
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}, "warm": {"type": "boolean"}},
    "required": ["city", "warm"],
    "additionalProperties": False,
}
forecast = chat.with_structured_output(schema, method="json_schema").invoke("The weather in Oslo?")
assert forecast["city"] in ("Oslo", "Rome"), forecast
assert isinstance(forecast["warm"], bool)
by_call = chat.with_structured_output(schema, method="function_calling").invoke("The weather in Oslo?")
assert by_call["city"] in ("Oslo", "Rome"), by_call

text = OpenAI(base_url=base_url, api_key=key, model=model, temperature=0, max_tokens=8, max_retries=0)
assert text.invoke("def wrap(")
print("ok")
