"""The same script against PostgreSQL and through the door, and the two
transcripts compared message by message.

A script is either a function whose parameters are connections, each logged
in and named after its parameter:

    def script(a, b): ...

or a list of byte strings that are sent one after the other on a fresh,
logged-in connection, which is then half-closed and read to its end.

What is normalised: backend.py, and here that a run of ParameterStatus is
compared as a set, because PostgreSQL promises no order among them, and that
a FATAL "invalid message length" is as good as being closed on in silence,
which is what PostgreSQL does after telling its log.
"""
import contextlib
import difflib
import inspect


ONLY_LOGGED = "E[FATAL 08P01 invalid message length]"


def canonical(transcript):
    """A transcript as it is compared."""
    shown, run = [], []
    for line in transcript:
        if line == ONLY_LOGGED:
            continue
        if line.startswith("S["):
            run.append(line)
            continue
        shown += sorted(run) + [line]
        run = []
    return shown + sorted(run)


def as_script(pieces):
    def script(c):
        for piece in pieces:
            c.say(piece).push()
        c.half_close().until_closed()
    return script


def play(script, target, **parameters):
    """Runs a script; returns {connection's name: transcript}."""
    if not callable(script):
        script = as_script(script)
    names = list(inspect.signature(script).parameters)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(target.connect(**parameters))
                       for _ in names]
        for c in connections:
            c.transcript.clear()
        script(*connections)
        return {name: canonical(c.transcript)
                for name, c in zip(names, connections)}


def compare(expected, actual):
    """Fails with a readable difference of two plays."""
    for name, lines in expected.items():
        if lines != actual[name]:
            difference = "\n".join(difflib.unified_diff(
                lines, actual[name], "PostgreSQL", "through the door",
                lineterm="", n=4))
            raise AssertionError(f"connection {name}:\n{difference}")
