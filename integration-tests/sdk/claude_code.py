"""Claude Code, driven without a person against a running edge on the embedded upstream.

    python claude_code.py EDGE EDGE_WITH_KEY KEY CLAUDE

EDGE takes any key, EDGE_WITH_KEY only KEY; both are roots such as http://127.0.0.1:28889. CLAUDE is the program. It gets
a home and a project of its own, nothing of this shell's settings, and no way to any other host.
"""

import json
import sys
import tempfile

from agent import Agent
from checks import check, equal, run

# What it may take at most. It takes a second or two.
PATIENCE = 60
MODEL = "claude-sonnet-4-6"


class Claude(Agent):
    """The program with a project to work in."""

    def __init__(self, program, folder, edge, **keys):
        self.program = program
        super().__init__(
            folder,
            PATIENCE,
            ANTHROPIC_BASE_URL=edge,
            ANTHROPIC_MODEL=MODEL,
            ANTHROPIC_SMALL_FAST_MODEL=MODEL,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            DISABLE_AUTOUPDATER="1",
            DISABLE_ERROR_REPORTING="1",
            DISABLE_TELEMETRY="1",
            **keys,
        )

    def ask(self, prompt, *arguments):
        """What it says it did: its messages in order."""
        _, said = self.lines([self.program, "-p", prompt, "--output-format", "stream-json", "--verbose", *arguments])
        return said


def blocks(said, kind):
    """The blocks of that type in all messages."""
    contents = [message["message"]["content"] for message in said if message["type"] in ("assistant", "user")]
    return [block for content in contents if isinstance(content, list) for block in content if block["type"] == kind]


def ended(said):
    """The last message, which tells how it went."""
    equal(said[-1]["type"], "result")
    return said[-1]


@check
def it_answers(claude, _):
    result = ended(claude.ask("say exactly: nothing to do"))
    equal((result["is_error"], result["subtype"], result["stop_reason"]), (False, "success", "end_turn"))
    assert result["result"].startswith("nothing to do"), result
    assert result["usage"]["output_tokens"] > 0, result


@check
def it_works_through_a_loop_of_tools(claude, _):
    notes = claude.project / "notes.txt"
    notes.write_text("the line of the notes\n")
    prompt = f'call the tool Read with {json.dumps({"file_path": str(notes)})}'
    said = claude.ask(prompt, "--allowedTools", "Read")
    calls = blocks(said, "tool_use")
    equal([(call["name"], call["input"]) for call in calls], [("Read", {"file_path": str(notes)})])
    results = blocks(said, "tool_result")
    equal([block["tool_use_id"] for block in results], [call["id"] for call in calls])
    assert "the line of the notes" in json.dumps(results), results
    result = ended(said)
    equal((result["is_error"], result["num_turns"]), (False, 2))
    # The upstream quotes the result it was sent.
    assert "the line of the notes" in result["result"], result


@check
def it_calls_several_tools_in_a_turn(claude, _):
    (claude.project / "one.txt").write_text("first file\n")
    write = {"file_path": str(claude.project / "two.txt"), "content": "second file\n"}
    read = {"file_path": str(claude.project / "one.txt")}
    prompt = f"call the tool Read with {json.dumps(read)} and call the tool Write with {json.dumps(write)}"
    said = claude.ask(prompt, "--allowedTools", "Read,Write")
    equal([call["name"] for call in blocks(said, "tool_use")], ["Read", "Write"])
    equal(len(blocks(said, "tool_result")), 2)
    equal((claude.project / "two.txt").read_text(), "second file\n")
    equal(ended(said)["is_error"], False)


@check
def a_tool_that_fails_does_not_end_it(claude, _):
    missing = {"file_path": str(claude.project / "no-such-file")}
    said = claude.ask(f"call the tool Read with {json.dumps(missing)}", "--allowedTools", "Read")
    results = blocks(said, "tool_result")
    equal([block["is_error"] for block in results], [True])
    result = ended(said)
    equal(result["is_error"], False)
    assert "Read" in result["result"], result


@check
def it_shows_text_as_it_comes(claude, _):
    said = claude.ask("say exactly: one two three", "--include-partial-messages")
    events = [message["event"] for message in said if message["type"] == "stream_event"]
    kinds = [event["type"] for event in events]
    equal((kinds[0], kinds[-1]), ("message_start", "message_stop"))
    text = [e["delta"]["text"] for e in events if e["type"] == "content_block_delta" and "text" in e["delta"]]
    assert len(text) > 1 and "".join(text).startswith("one two three"), text


@check
def it_goes_on_with_a_conversation(claude, _):
    first = ended(claude.ask("say exactly: the first answer"))
    said = claude.ask("say exactly: the second answer", "--resume", first["session_id"])
    assert ended(said)["result"].startswith("the second answer"), said[-1]


@check
def its_key_counts(_, with_key):
    right, wrong = with_key("ANTHROPIC_AUTH_TOKEN"), with_key("ANTHROPIC_API_KEY", "wrong")
    equal(ended(right.ask("say exactly: let in"))["is_error"], False)
    refused = ended(wrong.ask("say exactly: let in"))
    equal(refused["is_error"], True)
    assert "401" in json.dumps(refused) or "key" in refused["result"].lower(), refused


def main():
    edge, edge_with_key, key, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:

        def with_key(variable, value=key):
            return Claude(program, folder, edge_with_key, **{variable: value})

        run(Claude(program, folder, edge, ANTHROPIC_API_KEY="any"), with_key)


main()
