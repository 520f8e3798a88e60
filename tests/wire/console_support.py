"""What the tests of the admin console share."""
import contextlib
import threading

import procfs
from pgwire import Closed
from waiting import eventually

DATABASES = ["howdah", "pgbouncer"]
INT8, INT4, TEXT, NUMERIC = 20, 23, 25, 1700
NUMBERS = {INT8, INT4, NUMERIC}


def shape(c, what):
    """(name, is a number) of each column of a SHOW."""
    (found,) = [m for m in c.ask(f"show {what}") if m.kind == "T"]
    for column in found.columns:
        assert column[3] in NUMBERS | {TEXT}
    return [(column[0], column[3] in NUMBERS) for column in found.columns]


def show(c, what):
    """Rows of a SHOW as dicts."""
    answer = c.ask(f"show {what}")
    names = [column[0] for m in answer if m.kind == "T"
             for column in m.columns]
    assert not [m for m in answer if m.kind == "E"], answer
    return [dict(zip(names, [None if v is None else v.decode()
                             for v in m.values]))
            for m in answer if m.kind == "D"]


def row(c, what, **wanted):
    """The one row of a SHOW with these values."""
    (found,) = [r for r in show(c, what)
                if all(r[key] == value for key, value in wanted.items())]
    return found


def pool(c, database="wire", user="wire"):
    """Its row of SHOW POOLS, numbers as such."""
    found = row(c, "pools", database=database, user=user)
    return {key: int(value) if value.isdigit() else value
            for key, value in found.items()}


def cell(c, what, key, column="value"):
    """Of the row whose first column is `key`."""
    for found in show(c, what):
        if list(found.values())[0] == key:
            return found[column]
    raise KeyError(key)


def is_paused(c, database="wire"):
    return cell(c, "databases", database, "paused") == "1"


def client_row(c, connection):
    """What SHOW CLIENTS says of a connection."""
    return row(c, "clients", port=str(connection.sock.getsockname()[1]))


def fails(console, sql):
    """The fields of the one error a statement ends in."""
    found = console.ask(sql)
    (error,) = [m for m in found if m.kind == "E"]
    assert found[-1].kind == "Z" and found[-1].status == "I"
    assert error.fields["S"] == error.fields["V"] == "ERROR"
    return error.fields


def does(console, sql):
    """A command that succeeds; its tag."""
    found = console.ask(sql)
    assert [m.kind for m in found if m.kind != "N"] == ["C", "Z"], found
    return next(m.tag for m in found if m.kind == "C")


def worker_pid(door, number):
    (pid,) = procfs.children(door.pid, f"howdah-w{number}")
    return pid


@contextlib.contextmanager
def paused(console, what=""):
    does(console, f"pause {what}")
    yield
    does(console, f"resume {what}")


class Asking(threading.Thread):
    """A statement that may have to wait, and its outcome."""

    def __init__(self, connection, sql="select 1"):
        super().__init__(daemon=True)
        self.connection, self.sql = connection, sql
        self.found = self.error = None
        self.start()

    def run(self):
        try:
            self.found = self.connection.ask(self.sql)
        except (Closed, OSError) as error:
            self.error = error

    def result(self):
        self.join(30)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.found


def held_up(console, connection):
    """A statement that waits for the end of a PAUSE which has just begun:
    until all workers have looked, one may still slip through."""
    asked = [Asking(connection)]

    def waits():
        if not asked[-1].is_alive():
            asked.append(Asking(connection))
        return pool(console)["cl_waiting"] == 1
    eventually(waits)
    return asked[-1]
