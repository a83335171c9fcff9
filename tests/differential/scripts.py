"""Scripts of packets: what a client and its neighbour do, valid for the most part, then mutated."""

import random

import fields
import mutations
import wire

OPEN, SEND, ANSWER, DROP = "open", "send", "answer", "drop"


class Step:
    """One thing to do on connection 0 or 1."""

    def __init__(self, action, at, draft=None):
        self.action = action
        self.at = at
        self.draft = draft
        self.is_joined = False  # with the next step, before anything is waited for

    def label(self):
        """What is done, without names and numbers."""
        if self.draft is None:
            return self.action
        return self.draft.label + (f"/{self.draft.mutation}" if self.draft.mutation else "")


class Script:
    """The script of a seed; the same seed always makes the same script, under names that begin with a letter."""

    def __init__(self, seed, letter="d"):
        self.seed = seed
        self.random = random.Random(seed)
        self.prefix = f"{letter}{seed:x}"
        self.version = self.random.choice((3, 4, 4, 5, 5, 5))
        self.pid = 0
        self.steps = []
        self.write()
        for _ in range(self.random.choice((0, 1, 1, 1, 1, 2))):
            mutations.mutate(self)

    # ---- names

    def topic(self):
        rest = self.random.choice(("", "/a", "/a", "/a/b", "/a/b", "/b", "//a", "/$x", "/é"))
        return self.prefix + rest

    def filter(self):
        if self.random.random() < 0.4:
            return self.topic()
        rest = self.random.choice(("/#", "/+", "/+/b", "/a/#", "/+/+", "//+", "/a/+/#"))
        shared = self.version == 5 and self.random.random() < 0.1
        return ("$share/g/" if shared else "") + self.prefix + rest

    def next_pid(self):
        self.pid += 1
        return self.pid

    # ---- what a script is made of

    def write(self):
        both = self.random.random() < 0.4
        for at in range(2 if both else 1):
            self.enter(at)
        if self.random.random() < 0.5:
            self.send(0, fields.subscribe(self.version, self.next_pid(), [(self.prefix + "/#", self.random.randint(0, 2))]))
        for _ in range(self.random.randint(2, 12)):
            at = self.random.randint(0, 1) if both else 0
            self.act(at)

    def enter(self, at):
        self.steps.append(Step(OPEN, at))
        self.send(at, self.connect(at))

    def send(self, at, draft):
        self.steps.append(Step(SEND, at, draft))

    def act(self, at):
        self.random.choice((self.subscribe, self.subscribe, self.subscribe, self.publish, self.publish, self.publish,
                            self.publish, self.publish, self.release, self.answer, self.answer, self.unsubscribe,
                            self.ack, self.small, self.leave))(at)

    def connect(self, at):
        pick = self.random
        will = None
        if pick.random() < 0.3:
            will = (self.topic(), "will", pick.randint(0, 2), pick.random() < 0.3, self.some(("message",), 0.3))
        clean = pick.random() < 0.6
        client_id = f"{self.prefix}c{at}" if pick.random() < 0.95 else ""
        return fields.connect(self.version, client_id, clean, pick.choice((0, 30, 60, 600)), will,
                              self.some(("connect",), 0.6))

    def subscribe(self, at):
        pick = self.random
        options = [pick.randint(0, 2) for _ in range(3)]
        if self.version == 5:
            options = [value | pick.choice((0, 0, 4, 8)) | pick.choice((0, 0, 16, 32)) for value in options]
        names = [(self.filter(), value) for value in options[:pick.choice((1, 1, 2, 3))]]
        self.send(at, fields.subscribe(self.version, self.next_pid(), names, self.some(("subscribe",), 0.3)))

    def unsubscribe(self, at):
        names = [self.filter() for _ in range(self.random.choice((1, 1, 2)))]
        self.send(at, fields.unsubscribe(self.version, self.next_pid(), names, self.some(("user",), 0.2)))

    def publish(self, at):
        pick = self.random
        qos = pick.randint(0, 2)
        payload = pick.choice((b"", b"x", b"payload", bytes(range(20))))
        retain = pick.random() < 0.3
        pid = self.next_pid() if pick.random() < 0.9 else pick.randint(1, 3)
        self.send(at, fields.publish(self.version, self.topic(), payload, qos, pid, retain,
                                     bool(qos) and pick.random() < 0.1, self.some(("message", "publish"), 0.4)))
        if qos == 2 and pick.random() < 0.9:  # brokers may deliver at PUBLISH or at PUBREL
            self.steps[-1].is_joined = True
            self.send(at, fields.ack(self.version, wire.PUBREL, pid))

    def release(self, at):
        """PUBREL of the last message, or of an unknown one."""
        pid = self.pid or 9 if self.random.random() < 0.7 else 77
        self.send(at, fields.ack(self.version, wire.PUBREL, pid))

    def answer(self, at):
        """Acknowledge all that was received, which is for the player to know."""
        self.steps.append(Step(ANSWER, at))

    def ack(self, at):
        kind = self.random.choice((wire.PUBACK, wire.PUBREC, wire.PUBCOMP))
        code = self.random.choice((None, None, 0, 0x10 if kind != wire.PUBCOMP else 0x92, 0x80 if kind != wire.PUBCOMP else 0))
        self.send(at, fields.ack(self.version, kind, self.random.choice((1, 2, 99)), code, self.random.choice((None, ()))))

    def small(self, at):
        if self.random.random() < 0.9:
            self.send(at, fields.bare(wire.PINGREQ))
        else:
            self.send(at, fields.disconnect(self.version, self.random.choice((None, 0, 4)), self.some(("disconnect",), 0.3)))

    def leave(self, at):
        """Leave, with or without a word, and come back."""
        if self.random.random() < 0.5:
            self.send(at, fields.disconnect(self.version))
        self.steps.append(Step(DROP, at))
        self.enter(at)

    # ---- properties

    def some(self, places, chance):
        """Properties for a packet of MQTT 5; often none."""
        if self.version != 5 or self.random.random() > chance:
            return []
        pool = [pair for place in places for pair in self.pool(place)]
        return self.random.sample(pool, self.random.randint(1, min(3, len(pool))))

    def pool(self, place):
        user = [("user_property", ("k", "v"))]
        return {
            "user": user,
            "message": user + [("payload_format", 1), ("message_expiry", 3600), ("content_type", "text"),
                               ("response_topic", f"{self.prefix}/r"), ("correlation_data", b"c")],
            "publish": [("topic_alias", self.random.choice((1, 2, 10)))],
            "connect": user + [("session_expiry", self.random.choice((0, 1000, 0xFFFFFFFF))), ("receive_maximum", 5),
                               ("topic_alias_maximum", 5), ("maximum_packet_size", 2000), ("request_problem_info", 1),
                               ("request_response_info", 1)],
            "subscribe": user + [("subscription_id", self.random.choice((1, 127, 128, 268435455)))],
            "disconnect": user + [("session_expiry", 0), ("reason_string", "bye")],
        }[place]
