"""What the checks of coding agents share: a program in a project and a home of its own, asked without a person."""

import json
import os
import subprocess
from pathlib import Path


class Agent:
    """A program with a project to work in, nothing of this shell's settings, and no way to any other host."""

    def __init__(self, folder, patience, **variables):
        self.patience = patience
        self.project = Path(folder, "project")
        self.home = Path(folder, "home")
        for each in [self.project, self.home]:
            each.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            # Nobody listens there: whatever else it would like to reach, it does not.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
            **variables,
        }

    def lines(self, command):
        """How it ended, and the lines of JSON it printed."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience,
        )
        printed = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert printed, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done.returncode, printed
