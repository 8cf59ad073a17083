"""Codex CLI, driven without a person against a running edge on the embedded upstream.

    python codex.py EDGE EDGE_WITH_KEY KEY CODEX

EDGE takes any key, EDGE_WITH_KEY only KEY; both are roots such as http://127.0.0.1:28889. CODEX is the program. It gets a
home and a project of its own, nothing of this shell's settings, and no way to any other host.
"""

import json
import sys
import tempfile
from pathlib import Path

from agent import Agent
from checks import check, equal, run

# What it may take at most. It takes a few seconds.
PATIENCE = 90
CONFIG = """
model = "auto"
model_provider = "warp2api"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.warp2api]
name = "Warp2Api"
base_url = "{edge}/v1"
env_key = "WARP2API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""


class Codex(Agent):
    """The program with a project to work in."""

    def __init__(self, program, folder, name, edge, key):
        super().__init__(Path(folder, name), PATIENCE, WARP2API_KEY=key)
        self.program = program
        Path(self.home, "config.toml").write_text(CONFIG.format(edge=edge))
        self.environment["CODEX_HOME"] = str(self.home)

    def ask(self, prompt, *arguments):
        """Whether it ended well, and what it says it did."""
        # The commands it runs are those written here, in a folder of its own; its sandbox wants rights that CI may lack.
        command = [self.program, "exec", "--json", "--skip-git-repo-check"]
        return self.lines([*command, "--dangerously-bypass-approvals-and-sandbox", *arguments, prompt])


def items(events, kind):
    """The items of that type that were finished."""
    done = [event["item"] for event in events if event["type"] == "item.completed"]
    return [item for item in done if item["type"] == kind]


def said(events):
    """The last words of the model."""
    return items(events, "agent_message")[-1]["text"]


@check
def it_answers(codex, _):
    code, events = codex.ask("say exactly: nothing to do")
    equal((code, events[-1]["type"]), (0, "turn.completed"))
    assert said(events).startswith("nothing to do"), events
    assert events[-1]["usage"]["output_tokens"] > 0, events[-1]


@check
def it_works_through_a_loop_of_tools(codex, _):
    (codex.project / "notes.txt").write_text("the line of the notes\n")
    code, events = codex.ask(f'call the tool exec_command with {json.dumps({"cmd": "cat notes.txt"})}')
    equal((code, events[-1]["type"]), (0, "turn.completed"))
    (command,) = items(events, "command_execution")
    equal((command["exit_code"], command["aggregated_output"]), (0, "the line of the notes\n"))
    # The upstream quotes the result it was sent.
    assert "the line of the notes" in said(events), said(events)


@check
def it_calls_several_tools_in_a_turn(codex, _):
    calls = [f'call the tool exec_command with {json.dumps({"cmd": f"echo {word} > {word}.txt"})}' for word in ["one", "two"]]
    code, events = codex.ask(" and ".join(calls))
    equal((code, len(items(events, "command_execution"))), (0, 2))
    equal([(codex.project / f"{word}.txt").read_text() for word in ["one", "two"]], ["one\n", "two\n"])


@check
def it_finds_its_way_through_a_namespace(codex, _):
    # A tool inside a namespace, which Codex knows by namespace and name only.
    code, events = codex.ask('call the tool multi_agent_v1__close_agent with {"target":"nobody"}')
    equal((code, events[-1]["type"]), (0, "turn.completed"))
    # The upstream quotes what came back: the tool was found, and has something to say about its argument.
    assert said(events).startswith("The tool multi_agent_v1__close_agent answered: invalid agent id"), said(events)


@check
def it_goes_on_with_a_conversation(codex, _):
    _, first = codex.ask("say exactly: the first answer")
    code, second = codex.ask("say exactly: the second answer", "resume", first[0]["thread_id"])
    equal(code, 0)
    assert said(second).startswith("the second answer"), second


@check
def its_key_counts(_, with_key):
    code, events = with_key(None).ask("say exactly: let in")
    equal((code, said(events)), (0, "let in"))
    code, events = with_key("wrong").ask("say exactly: let in")
    assert code != 0 and "401" in json.dumps(events), events


def main():
    edge, edge_with_key, key, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:

        def with_key(other):
            return Codex(program, folder, other or "right", edge_with_key, other or key)

        run(Codex(program, folder, "open", edge, "any"), with_key)


main()
