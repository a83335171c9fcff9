"""The registry of checks and what a running check is given."""

import itertools
import os

from client import Client
from streams import SplitStream, TcpStream, WsStream

LABELS = {3: "3.1", 4: "3.1.1", 5: "5"}
STREAMS = {"tcp": TcpStream, "ws": WsStream, "split": SplitStream}
ALL, MODERN, V5 = (3, 4, 5), (4, 5), (5,)
CHECKS = []
_serial = itertools.count(1)
_run = f"{os.getpid() % 4096:03x}{os.urandom(2).hex()}"


class Skip(Exception):
    """The broker says that it lacks an optional feature."""


class Instance:
    """One check for one version and one case."""

    def __init__(self, statements, function, version, case, argument, transport):
        label = f"v{LABELS[version]}" + (f" {case}" if case else "")
        self.statements = statements.split()
        self.name = f"{function.__module__.removeprefix('checks_')}.{function.__name__}"
        self.id = f"{statements} {function.__name__}[{label}]"
        self.transport = transport
        self.version = version
        self._function = function
        self._arguments = () if case is None else (argument,)

    def run(self, target):
        """Run against (host, port, transport), closing every connection at the end."""
        test = Test(target, self.version)
        try:
            self._function(test, *self._arguments)
        finally:
            test.close()


def check(statements, versions=V5, cases=None, transport=None, v4=None):
    """Register a check per version and per case; cases map a label to an argument.

    Statements are the numbers of what the check shows, as MQTT 5 has them, and `v4` as MQTT 3.1.1 has them. Without a
    number there is a section, or a word. What does not run on MQTT 5 has the numbers of MQTT 3.1.1 at once.
    """
    if cases is not None and not isinstance(cases, dict):
        cases = {str(case): case for case in cases}

    def register(function):
        for version in versions:
            for case, argument in (cases or {None: None}).items():
                shown = statements if version == 5 or v4 is None else v4
                CHECKS.append(Instance(shown, function, version, case, argument, transport))
        return function
    return register


class Test:
    """Connections, client identifiers and topics of one running check."""

    def __init__(self, target, version):
        self.host, self.port, self.transport = target
        self.version = version
        self.prefix = f"{_run}{next(_serial)}x"  # the x keeps one from being the start of another
        self._clients = []
        self._next_id = itertools.count(1)

    def topic(self, rest=""):
        """A topic under the prefix of this check."""
        return f"{self.prefix}/{rest}" if rest else self.prefix

    def cid(self, number=None):
        """A client identifier of this check; a new one without a number."""
        return f"{self.prefix}n{next(self._next_id)}" if number is None else f"{self.prefix}c{number}"

    def raw(self, version=None, **options):
        """A connection on which nothing has been sent."""
        client = Client(STREAMS[self.transport](self.host, self.port, **options), version or self.version)
        self._clients.append(client)
        return client

    def client(self, client_id=None, version=None, **options):
        """A connected client with a clean session unless told otherwise."""
        client = self.raw(version)
        client.connack = client.connect(client_id or self.cid(), **options)
        return client

    def durable(self, number=1, version=None, clean=False, expiry=60, **options):
        """A connected client whose session outlives the connection."""
        version = version or self.version
        if version == 5:
            options["props"] = [*options.get("props", ()), ("session_expiry", expiry)]
        return self.client(self.cid(number), version, clean=clean, **options)

    def refused(self, raw, codes=None):
        """A first packet that must end the connection without success."""
        client = self.raw()
        client.send(raw)
        return client.expect_closed(codes)

    def alive(self):
        """The broker still serves new clients."""
        self.client(version=4).ping()

    def close(self):
        for client in self._clients:
            client.kill()


def need_feature(client, name):
    """Skip the check when the CONNACK denies an optional feature."""
    if client.connack.prop(name, 1) == 0:
        raise Skip(name)
