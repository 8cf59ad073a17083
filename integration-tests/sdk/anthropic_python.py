"""The official `anthropic` package for Python against a running edge on the embedded upstream.

Not for the shape of single events, which the Rust tests hold; this is for what the SDK makes of them.

    python anthropic_python.py EDGE EDGE_WITH_KEY KEY

EDGE takes any key, EDGE_WITH_KEY only KEY; both are roots such as http://127.0.0.1:28889.
"""

import base64
import sys

import anthropic
from anthropic import Anthropic, AsyncAnthropic, beta_tool

from checks import check, equal, raises, run

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
CALL = 'call the tool get_weather with {"city":"Zürich","days":2}'
GIF = base64.b64encode(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;").decode()


def user(content):
    return [{"role": "user", "content": content}]


def ask(text, **more):
    return {"model": "claude-sonnet-4-6", "max_tokens": 1000, "messages": user(text), **more}


@check
def whole(client, _):
    answer = client.messages.create(**ask("say exactly: Grüezi, 世界 🌍", system="Be brief."))
    equal([block.type for block in answer.content], ["text"])
    equal(answer.content[0].text, "Grüezi, 世界 🌍")
    equal((answer.type, answer.role, answer.stop_reason, answer.stop_sequence), ("message", "assistant", "end_turn", None))
    # The model that answers, not the name it was asked for by.
    equal(answer.model, "claude-4-6-sonnet-high")
    assert answer.id.startswith("msg_")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer.usage


@check
def streamed(client, _):
    events = list(client.messages.create(**ask("say exactly: one two three four"), stream=True))
    equal((events[0].type, events[0].message.content), ("message_start", []))
    equal(events[-1].type, "message_stop")
    text = [e.delta.text for e in events if e.type == "content_block_delta"]
    equal("".join(text), "one two three four")
    assert len(text) > 1, text
    end = events[-2]
    equal((end.type, end.delta.stop_reason), ("message_delta", "end_turn"))
    assert end.usage.output_tokens > 0


@check
def stream_helper(client, _):
    with client.messages.stream(**ask("say exactly: x y z")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    equal((text, final.content[0].text, final.stop_reason), ("x y z", "x y z", "end_turn"))
    assert final.usage.input_tokens > 0 and final.usage.output_tokens > 0


@check
async def async_whole_and_streamed(client, asynchronous):
    del client
    async with asynchronous() as client:
        answer = await client.messages.create(**ask("say exactly: async"))
        equal(answer.content[0].text, "async")
        async with client.messages.stream(**ask("say exactly: a b c")) as stream:
            equal("".join([text async for text in stream.text_stream]), "a b c")


@check
def tool_round_trip(client, _):
    messages = user(CALL)
    first = client.messages.create(**ask(CALL), tools=[WEATHER])
    equal((first.stop_reason, [block.type for block in first.content]), ("tool_use", ["tool_use"]))
    call = first.content[0]
    equal((call.name, call.input), ("get_weather", {"city": "Zürich", "days": 2}))
    assert call.id.startswith("toolu_"), call.id

    result = {"type": "tool_result", "tool_use_id": call.id, "content": '{"degrees": 21}'}
    messages += [{"role": "assistant", "content": first.content}, *user([result])]
    last = client.messages.create(**{**ask(""), "messages": messages}, tools=[WEATHER])
    equal(last.stop_reason, "end_turn")
    assert '{"degrees": 21}' in last.content[0].text, last.content


@check
def streamed_tool_calls(client, _):
    text = f"{CALL} and {CALL.replace('Zürich', 'Bern')}"
    with client.messages.stream(**ask(text), tools=[WEATHER]) as stream:
        pieces = [e.partial_json for e in stream if e.type == "input_json"]
        final = stream.get_final_message()
    equal(final.stop_reason, "tool_use")
    equal([block.input["city"] for block in final.content], ["Zürich", "Bern"])
    equal(len({block.id for block in final.content}), 2)
    assert pieces


@check
def tool_errors_and_images(client, _):
    first = client.messages.create(**ask(CALL), tools=[WEATHER])
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": GIF}}
    for content, error in [("no such city", True), ([{"type": "text", "text": "a map"}, image], False)]:
        result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": content, "is_error": error}
        messages = [*user(CALL), {"role": "assistant", "content": first.content}, *user([result])]
        last = client.messages.create(**{**ask(""), "messages": messages}, tools=[WEATHER])
        words = content if error else "a map"
        assert words in last.content[0].text, last.content


@check
def tool_runner(client, _):
    asked = []

    @beta_tool
    def get_weather(city: str, days: int) -> str:
        """The weather in a city.

        Args:
            city: The city.
            days: For how many days.
        """
        asked.append((city, days))
        return f"21 degrees in {city}"

    runner = client.beta.messages.tool_runner(**ask(CALL), tools=[get_weather])
    final = runner.until_done()
    equal(asked, [("Zürich", 2)])
    assert "21 degrees in Zürich" in final.content[0].text, final.content


@check
def images_and_documents(client, _):
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": GIF}},
        {"type": "document", "title": "A title", "source": {"type": "text", "media_type": "text/plain", "data": "Words."}},
        {"type": "text", "text": "say exactly: seen"},
    ]
    equal(client.messages.create(**ask(content)).content[0].text, "seen")


@check
def limits(client, _):
    answer = client.messages.create(**ask("say exactly: one END two"), stop_sequences=["END"])
    equal((answer.content[0].text, answer.stop_reason, answer.stop_sequence), ("one ", "stop_sequence", "END"))
    answer = client.messages.create(**{**ask("say exactly: " + "word " * 100), "max_tokens": 3})
    equal(answer.stop_reason, "max_tokens")


@check
def thinking_is_not_made_up(client, _):
    raw = client.messages.with_raw_response.create(
        **{**ask("say exactly: hm"), "max_tokens": 4000}, thinking={"type": "adaptive"}
    )
    equal(raw.headers["x-warp2api-ignored"], "thinking")
    equal([block.type for block in raw.parse().content], ["text"])


@check
def count_tokens(client, _):
    raw = client.messages.with_raw_response.count_tokens(
        model="claude-sonnet-4-6", messages=user("x" * 400), tools=[WEATHER]
    )
    equal(raw.headers["x-warp2api-estimated"], "input_tokens")
    assert 100 < raw.parse().input_tokens < 200


@check
def models(client, _):
    listed = list(client.models.list())
    ids = [model.id for model in listed]
    assert "auto" in ids and len(ids) == len(set(ids)), ids
    assert all(model.type == "model" and model.display_name and model.created_at for model in listed)
    equal([model.id for model in client.models.list(limit=7)], ids)
    equal(client.models.retrieve("claude-sonnet-4-5-20250929").id, "claude-4-5-sonnet")


@check
def a_client_that_leaves_does_no_harm(client, _):
    for _ in range(20):
        with client.messages.stream(**ask("say slowly: " + "word " * 50)) as stream:
            next(iter(stream.text_stream))
    equal(client.messages.create(**ask("say exactly: still here")).content[0].text, "still here")


@check
def headers(client, _):
    raw = client.messages.with_raw_response.create(
        **ask("say exactly: hi"),
        metadata={"user_id": "u"},
        # Older ones, which many still send.
        extra_body={"temperature": 0.1, "top_k": 5},
        extra_headers={"x-request-id": "my-own-id", "anthropic-beta": "some-beta-2026-01-01"},
    )
    equal(raw.headers["x-warp2api-upstream"], "embedded")
    equal(raw.headers["x-warp2api-ignored"], "temperature, top_k, metadata")
    equal((raw.request_id, raw.parse()._request_id), ("my-own-id", "my-own-id"))


@check
def bad_requests(client, _):
    for more, words in [
        ({"messages": []}, "messages: "),
        ({"max_tokens": 0}, "max_tokens: "),
        ({"tools": [WEATHER], "tool_choice": {"type": "any"}}, "tool_choice: "),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role: "),
        ({"messages": user([{"type": "document", "source": {"type": "file", "file_id": "f"}}])}, "messages[0].content[0].source.type: "),
    ]:
        error = raises(anthropic.BadRequestError, lambda more=more: client.messages.create(**{**ask("hi"), **more}))
        equal((error.status_code, error.body["type"], error.type), (400, "error", "invalid_request_error"))
        assert error.body["error"]["message"].startswith(words), error.body
        assert error.request_id and error.request_id.startswith("req_")


@check
def not_found(client, _):
    error = raises(anthropic.NotFoundError, lambda: client.models.retrieve("no-such-model"))
    equal(error.body["error"]["type"], "not_found_error")
    error = raises(anthropic.NotFoundError, lambda: client.messages.batches.list())
    equal(error.body["error"]["type"], "not_found_error")


@check
def timeouts(client, _):
    hasty = client.with_options(timeout=0.3, max_retries=0)
    slow = ask("say slowly: much too slow for this client")
    raises(anthropic.APITimeoutError, lambda: hasty.messages.create(**slow))


def main():
    edge, edge_with_key, key = sys.argv[1:]
    options = {"timeout": 30, "max_retries": 0}

    @check
    def keys(client, _):
        del client
        wrong = Anthropic(base_url=edge_with_key, api_key="wrong", **options)
        error = raises(anthropic.AuthenticationError, lambda: wrong.models.list())
        equal((error.status_code, error.body["error"]["type"]), (401, "authentication_error"))
        raises(anthropic.AuthenticationError, lambda: wrong.messages.create(**ask("hi"), stream=True))
        for right in [{"api_key": key}, {"auth_token": key}]:
            right = Anthropic(base_url=edge_with_key, **right, **options)
            equal(right.messages.create(**ask("say exactly: let in")).content[0].text, "let in")

    client = Anthropic(base_url=edge, api_key="any", **options)
    run(client, lambda: AsyncAnthropic(base_url=edge, api_key="any", **options))


main()
