"""Plays a script against a broker and tells what came back after each step."""

import asyncio

import outcome
import scripts
import wire

QUIET = 0.3
SETTLE = 0.02
PATIENCE = 5.0


class Line(asyncio.Protocol):
    """One connection, read as packets."""

    def __init__(self):
        self.buffer = bytearray()
        self.packets = []
        self.closed = False
        self.news = asyncio.Event()
        self.version = 4
        self.accepted = False
        self.unanswered = []
        self.aliases = {}

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, raw):
        self.buffer += raw
        while (packet := outcome.cut(self.buffer, self)) is not None:
            self.packets.append(packet)
        self.news.set()

    def connection_lost(self, _error):
        self.closed = True
        self.news.set()

    async def wait(self, done, seconds):
        """Whether that came true, before the time was up or the connection closed."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not done():
            left = deadline - asyncio.get_running_loop().time()
            if self.closed or left <= 0:
                return done()
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), left)
            except asyncio.TimeoutError:
                pass
        return True

    def take(self):
        taken, self.packets = self.packets, []
        return taken


class Player:
    """One run of one script against one broker."""

    def __init__(self, script, port, patience=1.0):
        self.script = script
        self.port = port
        self.patience = patience
        self.lines = {}
        self.results = []

    async def play(self):
        """What came after each step, for each connection."""
        try:
            for step in self.script.steps:
                await self.take(step)
                self.results.append(self.collect())
        finally:
            for line in self.lines.values():
                line.transport.abort()
        return self.results

    async def take(self, step):
        if step.action == scripts.OPEN:
            await self.open(step.at)
            return
        line = self.lines.get(step.at)
        if line is None or line.closed:
            return
        if step.action == scripts.DROP:
            line.transport.abort()
            await line.wait(lambda: False, PATIENCE)
            await self.settle(step.at)
        elif step.action == scripts.ANSWER:
            self.answer(line)
            await self.barrier(step.at, line)
        else:
            raw = self.send(line, step.draft)
            if step.is_joined:
                return
            if raw[0] >> 4 == wire.PINGREQ:  # its answer is not to be taken for that of the barrier
                await line.wait(lambda: line.packets, SETTLE * self.patience)
            await self.barrier(step.at, line)

    async def open(self, at):
        if at in self.lines:
            self.lines[at].transport.abort()
            await self.settle(at)
        _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self.port)
        self.lines[at] = line
        line.version = self.script.version

    def send(self, line, draft):
        raw = draft.bytes()
        if not line.accepted and draft.kind == wire.CONNECT:
            line.version = outcome.version_of(raw, line.version)
        line.transport.write(raw)
        return raw

    async def barrier(self, at, line):
        """Wait until everything that was sent is dealt with."""
        if not line.accepted:
            if not await line.wait(lambda: line.packets, QUIET * self.patience) and not line.closed:
                self.stall(line)
            if not line.accepted:
                await line.wait(lambda: False, SETTLE * self.patience)
        if line.accepted and not line.closed:
            await self.ping(line)
        await self.settle(at, SETTLE if line.closed or ("waits",) in line.packets else 0)

    def stall(self, line):
        """The broker waits for more bytes."""
        line.packets.append(("waits",))
        line.transport.abort()

    async def ping(self, line):
        pongs = sum(packet == outcome.PONG for packet in line.packets)
        line.transport.write(wire.pingreq())
        arrived = await line.wait(lambda: sum(packet == outcome.PONG for packet in line.packets) > pongs,
                                  QUIET * self.patience)
        if arrived:
            line.packets.remove(outcome.PONG)
        elif not line.closed:
            self.stall(line)

    async def settle(self, at, seconds=SETTLE):
        """Let the other connection receive what it will."""
        if seconds:
            await asyncio.sleep(seconds * self.patience)
        for other, line in self.lines.items():
            if other != at and line.accepted and not line.closed:
                await self.ping(line)

    def answer(self, line):
        """Acknowledge all that was received."""
        for kind, pid in line.unanswered:
            line.transport.write(wire.ack(kind, pid))
        line.unanswered = []

    def collect(self):
        """What each connection received, and whether it ended."""
        found = {}
        for at, line in self.lines.items():
            packets = outcome.own(line.take(), self.script.prefix)
            if line.closed and ("waits",) not in packets and not getattr(line, "told", False):
                line.told = True
                packets.append(("closed",))
            found[at] = outcome.ordered(packets)
        return found
