"""The official `openai` package for Python against a running edge on the embedded upstream.

Not for the shape of single chunks, which the Rust tests hold; this is for what the SDK makes of them.

    python openai_python.py EDGE EDGE_WITH_KEY KEY

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
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
CALL = 'call the tool get_weather with {"city":"Zürich","days":2}'


class Weather(BaseModel):
    city: str
    degrees: int


class GetWeather(BaseModel):
    city: str
    days: int


def user(text):
    return [{"role": "user", "content": text}]


@check
def whole(client, _):
    answer = client.chat.completions.create(model="gpt-5", messages=user("say exactly: Grüezi, 世界 🌍"))
    choice = answer.choices[0]
    equal(choice.message.content, "Grüezi, 世界 🌍")
    equal((choice.finish_reason, choice.message.role, choice.message.tool_calls), ("stop", "assistant", None))
    equal((answer.object, answer.model), ("chat.completion", "gpt-5"))
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
    assert answer.id.startswith("chatcmpl-")


@check
def streamed(client, _):
    stream = client.chat.completions.create(
        model="auto",
        messages=user("say exactly: one two three four"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    equal("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), "one two three four")
    equal(len({(c.id, c.created, c.model) for c in chunks}), 1)
    equal(chunks[0].choices[0].delta.role, "assistant")
    equal([c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason], ["stop"])
    equal((chunks[-1].choices, chunks[-1].usage.completion_tokens > 0), ([], True))


@check
async def async_whole_and_streamed(client, asynchronous):
    del client
    answer = await asynchronous().chat.completions.create(model="auto", messages=user("say exactly: async"))
    equal(answer.choices[0].message.content, "async")
    async with asynchronous() as client:
        stream = await client.chat.completions.create(
            model="auto", messages=user("say exactly: a b c"), stream=True
        )
        equal("".join([c.choices[0].delta.content or "" async for c in stream]), "a b c")


@check
def tool_round_trip(client, _):
    messages = [{"role": "system", "content": "Use tools."}, *user(CALL)]
    first = client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER])
    choice = first.choices[0]
    equal((choice.finish_reason, len(choice.message.tool_calls)), ("tool_calls", 1))
    call = choice.message.tool_calls[0]
    equal((call.type, call.function.name), ("function", "get_weather"))
    equal(json.loads(call.function.arguments), {"city": "Zürich", "days": 2})

    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 21}'}]
    last = client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER])
    equal((last.choices[0].finish_reason, last.choices[0].message.tool_calls), ("stop", None))
    assert '{"degrees": 21}' in last.choices[0].message.content, last.choices[0].message.content


@check
def streamed_tool_calls(client, _):
    text = f"{CALL} and {CALL.replace('Zürich', 'Bern')}"
    stream = client.chat.completions.create(model="auto", messages=user(text), tools=[WEATHER], stream=True)
    calls, finish = {}, None
    for chunk in stream:
        choice = chunk.choices[0]
        finish = choice.finish_reason or finish
        for delta in choice.delta.tool_calls or []:
            known = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
            known["id"] += delta.id or ""
            known["name"] += delta.function.name or ""
            known["arguments"] += delta.function.arguments or ""
    equal(finish, "tool_calls")
    equal([json.loads(calls[i]["arguments"])["city"] for i in sorted(calls)], ["Zürich", "Bern"])
    equal(len({call["id"] for call in calls.values()}), 2)


@check
def stream_helper(client, _):
    with client.chat.completions.stream(model="auto", messages=user("say exactly: x y z")) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    equal(final.choices[0].message.content, "x y z")
    equal("".join(event.delta for event in events if event.type == "content.delta"), "x y z")
    equal([event.content for event in events if event.type == "content.done"], ["x y z"])


@check
def stream_helper_with_tools(client, _):
    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    with client.chat.completions.stream(model="auto", messages=user(CALL), tools=[tool]) as stream:
        done = [e for e in stream if e.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    equal([(e.name, e.parsed_arguments) for e in done], [("get_weather", GetWeather(city="Zürich", days=2))])
    equal(final.choices[0].message.tool_calls[0].function.parsed_arguments.city, "Zürich")


@check
async def async_stream_helper(client, asynchronous):
    del client
    async with asynchronous() as client:
        async with client.chat.completions.stream(model="auto", messages=user("say exactly: p q")) as stream:
            async for _ in stream:
                pass
            final = await stream.get_final_completion()
    equal(final.choices[0].message.content, "p q")


@check
def parsed_answer(client, _):
    raw = client.chat.completions.with_raw_response.parse(
        model="auto",
        messages=user('say exactly: {"city": "Bern", "degrees": 7}'),
        response_format=Weather,
    )
    equal(raw.parse().choices[0].message.parsed, Weather(city="Bern", degrees=7))
    # Nothing is promised that is not kept: the schema was not enforced, and the answer says so.
    equal(raw.headers["x-warp2api-ignored"], "response_format")


@check
def parsed_tool_arguments(client, _):
    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    answer = client.chat.completions.parse(model="auto", messages=user(CALL), tools=[tool])
    call = answer.choices[0].message.tool_calls[0]
    equal(call.function.parsed_arguments, GetWeather(city="Zürich", days=2))


@check
def models(client, _):
    listed = [model.id for model in client.models.list()]
    assert "auto" in listed and len(listed) == len(set(listed)), listed
    for model in listed:
        equal(client.models.retrieve(model).id, model)


@check
def a_client_that_leaves_does_no_harm(client, _):
    for _ in range(20):
        stream = client.chat.completions.create(
            model="auto", messages=user("say slowly: " + "word " * 50), stream=True
        )
        next(iter(stream))
        stream.close()
    equal(client.chat.completions.create(model="auto", messages=user("say exactly: still here"))
          .choices[0].message.content, "still here")


@check
def raw_headers(client, _):
    raw = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=user("say exactly: hi"),
        temperature=0.1,
        seed=7,
        extra_headers={"x-request-id": "my-own-id"},
    )
    equal(raw.headers["x-request-id"], "my-own-id")
    equal(raw.headers["x-warp2api-upstream"], "embedded")
    equal(raw.headers["x-warp2api-ignored"], "temperature, seed")
    equal(raw.parse()._request_id, "my-own-id")


@check
def bad_requests(client, _):
    def create(**parameters):
        return lambda: client.chat.completions.create(**{"model": "auto", "messages": user("hi"), **parameters})

    for parameters, param in [
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"logprobs": True}, "logprobs"),
        ({"tools": [WEATHER], "tool_choice": "required"}, "tool_choice"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0]"),
    ]:
        error = raises(openai.BadRequestError, create(**parameters))
        equal((error.status_code, error.type), (400, "invalid_request_error"))
        assert (error.param or "").startswith(param), (parameters, error.param)
        assert error.code and error.request_id, error


@check
def not_found(client, _):
    error = raises(openai.NotFoundError, lambda: client.models.retrieve("no-such-model"))
    equal(error.code, "model_not_found")
    error = raises(openai.NotFoundError, lambda: client.embeddings.create(model="auto", input="x"))
    equal(error.code, "unknown_url")


@check
def timeouts(client, _):
    hasty = client.with_options(timeout=0.3, max_retries=0)
    slow = {"model": "auto", "messages": user("say slowly: much too slow for this client")}
    raises(openai.APITimeoutError, lambda: hasty.chat.completions.create(**slow))


@check
def limits(client, _):
    answer = client.chat.completions.create(
        model="auto", messages=user("say exactly: one END two"), stop=["END"]
    )
    equal((answer.choices[0].message.content, answer.choices[0].finish_reason), ("one ", "stop"))
    answer = client.chat.completions.create(
        model="auto", messages=user("say exactly: " + "word " * 100), max_completion_tokens=3
    )
    equal(answer.choices[0].finish_reason, "length")


def main():
    edge, edge_with_key, key = sys.argv[1:]
    options = {"timeout": 30, "max_retries": 0}

    @check
    def keys(client, _):
        del client
        secret = "sk-planted-and-not-known"
        wrong = OpenAI(base_url=f"{edge_with_key}/v1", api_key=secret, **options)
        error = raises(openai.AuthenticationError, lambda: wrong.models.list())
        equal((error.status_code, error.code), (401, "invalid_api_key"))
        error = raises(
            openai.AuthenticationError,
            lambda: wrong.chat.completions.create(model="auto", messages=user("hi"), stream=True),
        )
        assert secret not in str(error), error
        right = OpenAI(base_url=f"{edge_with_key}/v1", api_key=key, **options)
        answer = right.chat.completions.create(model="auto", messages=user("say exactly: let in"))
        equal(answer.choices[0].message.content, "let in")

    client = OpenAI(base_url=f"{edge}/v1", api_key="any", **options)
    run(client, lambda: AsyncOpenAI(base_url=f"{edge}/v1", api_key="any", **options))


main()
