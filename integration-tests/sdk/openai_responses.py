"""Responses with the official `openai` package for Python against a running edge on the embedded upstream.

Not for the shape of single events, which the Rust tests hold; this is for what the SDK makes of them.

    python openai_responses.py EDGE EDGE_WITH_KEY KEY

EDGE takes any key, EDGE_WITH_KEY only KEY; both are roots such as http://127.0.0.1:28889.
"""

import json
import sys

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from checks import check, equal, raises, run

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
CALL = 'call the tool get_weather with {"city":"Zürich","days":2}'


class Weather(BaseModel):
    city: str
    degrees: int


class GetWeather(BaseModel):
    city: str
    days: int


@check
def whole(client, _):
    response = client.responses.create(model="gpt-5", input="say exactly: Grüezi, 世界 🌍")
    equal(response.output_text, "Grüezi, 世界 🌍")
    equal((response.object, response.status, response.model), ("response", "completed", "gpt-5"))
    equal((response.error, response.incomplete_details, response.store), (None, None, True))
    equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens)
    equal(response.usage.output_tokens_details.reasoning_tokens, 0)
    # Every key has the type that the SDK says it has.
    type(response).model_validate(response.model_dump())


@check
def streamed(client, _):
    events = list(client.responses.create(model="auto", input="say exactly: one two three", stream=True))
    equal([event.sequence_number for event in events], list(range(len(events))))
    equal((events[0].type, events[-1].type), ("response.created", "response.completed"))
    equal("".join(e.delta for e in events if e.type == "response.output_text.delta"), "one two three")
    equal(events[-1].response.output_text, "one two three")
    for event in events:
        type(event).model_validate(event.model_dump())


@check
async def async_streamed(_, asynchronous):
    async with asynchronous() as client:
        stream = await client.responses.create(model="auto", input="say exactly: a b c", stream=True)
        equal("".join([e.delta async for e in stream if e.type == "response.output_text.delta"]), "a b c")


@check
def stream_helper(client, _):
    with client.responses.stream(model="auto", input="say exactly: x y z") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    equal((text, final.output_text, final.status), ("x y z", "x y z", "completed"))


@check
def tool_loop(client, _):
    items = [{"role": "developer", "content": "Use tools."}, {"role": "user", "content": CALL}]
    first = client.responses.create(model="auto", input=items, tools=[WEATHER], store=False)
    (call,) = [item for item in first.output if item.type == "function_call"]
    equal((call.name, json.loads(call.arguments)), ("get_weather", {"city": "Zürich", "days": 2}))
    items += [*first.output, {"type": "function_call_output", "call_id": call.call_id, "output": '{"degrees": 21}'}]
    last = client.responses.create(model="auto", input=items, tools=[WEATHER], store=False)
    equal([item.type for item in last.output], ["message"])
    assert '{"degrees": 21}' in last.output_text, last.output_text


@check
def tool_loop_by_previous_response_id(client, _):
    first = client.responses.create(model="auto", input=CALL, tools=[WEATHER])
    call = first.output[-1]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    last = client.responses.create(model="auto", previous_response_id=first.id, input=[output], tools=[WEATHER])
    assert "sunny" in last.output_text, last.output_text
    equal(last.previous_response_id, first.id)


@check
def streamed_calls(client, _):
    text = f"{CALL} and {CALL.replace('Zürich', 'Bern')}"
    arguments, done = {}, []
    for event in client.responses.create(model="auto", input=text, tools=[WEATHER], stream=True):
        if event.type == "response.function_call_arguments.delta":
            arguments[event.output_index] = arguments.get(event.output_index, "") + event.delta
        if event.type == "response.output_item.done":
            done.append(event.item)
    equal([json.loads(each)["city"] for each in arguments.values()], ["Zürich", "Bern"])
    equal([item.arguments for item in done], list(arguments.values()))
    equal(len({item.call_id for item in done}), 2)


@check
def freeform_tools_and_namespaces(client, _):
    group = {"type": "namespace", "name": "files", "description": "About files.", "tools": [{**WEATHER, "name": "read"}]}
    tools = [{"type": "custom", "name": "patch"}, group]
    text = 'call the tool patch with {"input":"+ line"} and call the tool files__read with {"city":"x"}'
    patch, read = client.responses.create(model="auto", input=text, tools=tools).output
    equal((patch.type, patch.name, patch.input), ("custom_tool_call", "patch", "+ line"))
    equal((read.type, read.name, read.namespace), ("function_call", "read", "files"))


@check
def parse(client, _):
    text = 'say exactly: {"city":"Bern","degrees":3}'
    response = client.responses.parse(model="auto", input=text, text_format=Weather)
    equal(response.output_parsed, Weather(city="Bern", degrees=3))


@check
def parsed_tools(client, _):
    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    response = client.responses.parse(model="auto", input=CALL, tools=[tool])
    equal(response.output[-1].parsed_arguments, GetWeather(city="Zürich", days=2))


@check
def kept_responses(client, _):
    made = client.responses.create(model="auto", input="say exactly: kept", metadata={"a": "b"})
    read = client.responses.retrieve(made.id)
    equal((read.output_text, read.metadata), ("kept", {"a": "b"}))
    (item,) = client.responses.input_items.list(made.id)
    equal(item.content[0].text, "say exactly: kept")
    raises(openai.BadRequestError, lambda: client.responses.cancel(made.id))
    client.responses.delete(made.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(made.id))
    error = raises(
        openai.BadRequestError,
        lambda: client.responses.create(model="auto", previous_response_id=made.id, input="hi"),
    )
    equal((error.code, error.param), ("previous_response_not_found", "previous_response_id"))


@check
def a_limit_makes_it_incomplete(client, _):
    response = client.responses.create(model="auto", input="say exactly: 12345678 and more", max_output_tokens=2)
    equal((response.status, response.incomplete_details.reason), ("incomplete", "max_output_tokens"))
    equal(response.output_text, "12345678")


@check
def errors(client, _):
    error = raises(openai.BadRequestError, lambda: client.responses.create(model="auto", input="hi", background=True))
    equal((error.code, error.param), ("unsupported_parameter", "background"))


@check
def images(client, _):
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    parts = [{"type": "input_text", "text": "say exactly: seen"}, {"type": "input_image", "image_url": pixel, "detail": "auto"}]
    response = client.responses.create(model="auto", input=[{"role": "user", "content": parts}])
    equal(response.output_text, "seen")


@check
def legacy_completions(client, _):
    answer = client.completions.create(model="auto", prompt="say exactly: old times", echo=True)
    equal(answer.choices[0].text, "say exactly: old timesold times")
    equal((answer.object, answer.choices[0].finish_reason), ("text_completion", "stop"))
    stream = client.completions.create(
        model="auto", prompt=["say exactly: old times"], stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    equal("".join(chunk.choices[0].text for chunk in chunks if chunk.choices), "old times")
    assert chunks[-1].usage.total_tokens > 0, chunks[-1]
    error = raises(openai.BadRequestError, lambda: client.completions.create(model="auto", prompt="a", n=2))
    equal(error.param, "n")


def main():
    edge, edge_with_key, key = sys.argv[1:]
    options = {"timeout": 30, "max_retries": 0}

    @check
    def keys_keep_their_responses_apart(client, _):
        del client
        with_key = OpenAI(base_url=f"{edge_with_key}/v1", api_key=key, **options)
        made = with_key.responses.create(model="auto", input="say exactly: mine")
        equal(with_key.responses.retrieve(made.id).output_text, "mine")
        stranger = OpenAI(base_url=f"{edge_with_key}/v1", api_key="wrong", **options)
        raises(openai.AuthenticationError, lambda: stranger.responses.retrieve(made.id))

    run(
        OpenAI(base_url=f"{edge}/v1", api_key="any", **options),
        lambda: AsyncOpenAI(base_url=f"{edge}/v1", api_key="any", **options),
    )


main()
