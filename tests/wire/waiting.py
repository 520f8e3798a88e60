"""Waiting for something to become true, instead of sleeping."""
import time

PATIENCE = 20


def eventually(condition, timeout=PATIENCE, every=0.02, what=None):
    """The first true value of condition(); an AssertionError with the last
    one after `timeout` seconds. An exception of it counts as not yet."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            last = condition()
            if last:
                return last
        except Exception as error:  # not yet, whatever it was
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or condition} did not come true in "
                                 f"{timeout} s; last: {last!r}")
        time.sleep(every)
