"""Schemathesis: requests made from /openapi.json, right ones and wrong ones, at both ports.

What it checks is that the document tells the truth: nothing fails with a 5xx, no status and no media type comes that is
not declared, every JSON body and every event has the declared schema. Streams that end only when the caller leaves are
left out; everything else is asked. The seed is fixed and the number of requests bounded.

    python openapi_document.py http://HOST:PORT HOST:PORT
"""

import subprocess
import sys
import tempfile

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
]
OPTIONS = [
    "--phases=coverage,fuzzing",
    "--max-examples=15",
    "--seed=1",
    # In Python 3.11 two threads that parse Python at once can fail each other; schemathesis parses as it goes.
    "--workers=1",
    "--request-timeout=20",
    "--warnings=off",
    "--no-color",
    f"--checks={','.join(CHECKS)}",
]
# Twice the time that it takes on a slow machine.
PATIENCE = 80


def ask(base, *selected):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json", *OPTIONS, *selected]
    # It leaves a folder of its own behind.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, timeout=PATIENCE, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(done.stdout)
        return False
    lines = [line.strip() for line in done.stdout.splitlines()]
    shown = [line for line in lines if "generated" in line or line.startswith("Tested:")]
    print(f"ok     {base}: {'; '.join(shown)}")
    # A run that asked nothing proves nothing.
    return len(shown) == 2


edge, bridge = sys.argv[1], f"http://{sys.argv[2]}"
asked = [
    ask(edge, "--include-tag=Edge"),
    ask(bridge, "--exclude-tag=Edge", "--exclude-path-regex=:watch$"),
]
sys.exit(0 if all(asked) else 1)
