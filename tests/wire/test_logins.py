"""Logins on both sides of the door, beyond the 30 behaviours: what takes
long is not done on the loop, and what a login leaves behind is right."""
import contextlib

import pytest

import frontend
from cluster import PASSWORDS

FIRST = b"n,,n=,r=abcdefghijklmnop"


@pytest.mark.door("a userlist")
def test_clients_leave_while_their_keys_are_made(howdah):
    """The first login of a user with a plain password waits for its keys;
    of three clients that wait for the same ones, one resets and one hangs
    up. The third is asked for its proof, and the door stands."""
    users = [f"user{n}" for n in range(60)]
    passwords = {**PASSWORDS, **{user: "secret" for user in users}}
    with howdah(passwords=passwords, workers=1) as door:
        with contextlib.ExitStack() as stack:
            waiting = []
            for user in users:
                for leave in ("reset", "close", None):
                    c = stack.enter_context(door.target.dial())
                    c.startup({"user": user, "database": "wire"}).push()
                    if leave:
                        getattr(c, leave)()
                    else:
                        waiting.append(c)
            for c in waiting:
                assert c.message().code == 10
        with door.connect() as c:
            assert c.is_usable()


@pytest.mark.door("a userlist")
def test_client_that_does_not_wait_for_the_question(howdah, postgres):
    """What is said before the question is read when it has been asked, also
    while the user's keys are being made."""
    with howdah(workers=1) as door:
        for target in (postgres.target, door.target):
            with target.dial() as c:
                c.startup({"user": "plain", "database": "wire"})
                c.say(frontend.sasl_initial("SCRAM-SHA-256", FIRST))
                assert [c.message().code for _ in range(2)] == [10, 11]


@pytest.mark.door("a userlist")
def test_half_closed_while_its_keys_are_made(howdah, postgres):
    with howdah(workers=1) as door:
        shown = []
        for target in (postgres.target, door.target):
            with target.dial() as c:
                c.startup({"user": "plain", "database": "wire"})
                c.half_close().until_closed()
                shown.append(c.transcript)
        assert shown[0] == shown[1]


@pytest.mark.door("a process that can be told to go")
def test_door_ends_while_keys_are_made(howdah):
    """Ended in the middle of it, the daemon ends well (stop() looks)."""
    users = {f"user{n}": "secret" for n in range(40)}
    with howdah(passwords={**PASSWORDS, **users}, workers=1) as door:
        with contextlib.ExitStack() as stack:
            for user in users:
                c = stack.enter_context(door.target.dial())
                c.startup({"user": user, "database": "wire"}).push()
            door.stop()
