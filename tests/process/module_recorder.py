"""Run the extension and tell which modules are loaded when `/next` is sent, and when it waits for the first time.

    python -I -S module_recorder.py <folder of the package> <folder of the libraries> <descriptor>

Two lines go to the descriptor, `next ...` and `idle ...`. Not a test: it stands in for `python -m thimble.boot`. It
imports nothing itself that would not be there anyway.
"""

import posix
import sys


class WatchedPoller:
    """Passes everything on to an epoll object, and tells when it is about to wait."""

    def __init__(self, poller, tell):
        self._poller = poller
        self._tell = tell
        self.register = poller.register
        self.modify = poller.modify
        self.unregister = poller.unregister
        self.fileno = poller.fileno
        self.close = poller.close

    def poll(self, timeout=None, maxevents=-1):
        if timeout is None or timeout > 0:
            self._tell("idle")
        return self._poller.poll(timeout, maxevents)


def main():
    package, libraries, descriptor = sys.argv[1:]
    before = set(sys.modules)
    sys.path[:0] = [package, libraries]
    told = []

    def tell(stage):
        if stage not in told:
            told.append(stage)
            names = sorted(set(sys.modules) - before)
            posix.write(int(descriptor), (stage + " " + " ".join(names) + "\n").encode())

    from thimble import boot

    ask_next = boot.ask_next

    def watched_ask_next(handover, api):
        tell("next")
        import select

        epoll = select.epoll
        select.epoll = lambda: WatchedPoller(epoll(), tell)
        return ask_next(handover, api)

    boot.ask_next = watched_ask_next
    boot.main()


main()
