"""Collects checks, runs them all, says how many passed.

A check is a function that raises when something is wrong; one that fails does not keep the others from running.
"""

import asyncio
import inspect
import sys
import time
import traceback

_CHECKS = []


def check(function):
    """Adds a function, plain or async, to the checks of the script."""
    _CHECKS.append(function)
    return function


def equal(left, right):
    """Fails with both sides in view."""
    assert left == right, f"{left!r} is not {right!r}"


def raises(kind, call):
    """The error of `kind` that `call` raises; anything else is a failure."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def run(*arguments):
    """Runs every check with `arguments`, prints a line for each and the closing line, and ends the process."""
    failed = 0
    for function in _CHECKS:
        began = time.monotonic()
        try:
            result = function(*arguments)
            if inspect.iscoroutine(result):
                asyncio.run(asyncio.wait_for(result, timeout=60))
        except Exception:  # noqa: BLE001: a check may fail in any way
            failed += 1
            print(f"FAILED {function.__name__}")
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"ok     {function.__name__} ({time.monotonic() - began:.2f} s)")
    print(f"{len(_CHECKS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
