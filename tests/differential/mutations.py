"""What is done to a script to make it a wrong one: to a field, to a property, to a frame, or to the order."""

import fields
import wire

STRINGS = (b"", b"\0", b"a\0b", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbfx", b"\xef\xbf\xbf",
           b"\x01", b"#", b"+", b"a#", b"a/#/b", b"+a", b"$share/g", b"$share//a", b"$share/+/a", b"$share/g/",
           b"$share/g/a+", b"$SYS/x", b"$x/y", b"/", b"MQTT", b"MQIsdp", b"mqtt", b"/" * 150, b"/" * 250, b"x" * 1000)
ALIENS = ((wire.CONNACK, 0, b"\0\0"), (wire.CONNACK, 0, b"\0\0\0"), (wire.SUBACK, 0, b"\0\1\0"), (wire.SUBACK, 0, b"\0\1\0\0"),
          (wire.UNSUBACK, 0, b"\0\1"), (wire.UNSUBACK, 0, b"\0\1\0\0"), (wire.PINGRESP, 0, b""), (wire.AUTH, 0, b""),
          (wire.AUTH, 0, b"\x19\0"), (wire.AUTH, 0, b"\x18\x04\x15\x00\x01x"), (0, 0, b""), (wire.PINGREQ, 0, b"x"),
          (wire.DISCONNECT, 0, b"\x82"), (wire.DISCONNECT, 0, b"\x01"), (wire.DISCONNECT, 0, b"\0\0"),
          (wire.PUBREL, 0, b"\0\1"), (wire.PUBREL, 2, b"\0\0"), (wire.SUBSCRIBE, 2, b"\0\1"), (wire.UNSUBSCRIBE, 2, b"\0\1"))
VALUES = {"byte": (0, 1, 2, 255), "two": (0, 1, 65535), "four": (0, 1, 0xFFFFFFFF), "varint": (0, 1, 268435455),
          "utf8": ("", "x", "a/#"), "data": (b"", b"x"), "pair": (("", ""), ("k", "v"))}


def mutate(script):
    """Change one thing."""
    pick = script.random
    sends = [at for at, step in enumerate(script.steps) if step.draft and step.draft.raw is None]
    if not sends:
        return
    at = pick.choice(sends)
    draft = script.steps[at].draft
    how = pick.choice(IN_PACKET if pick.random() < 0.85 else IN_ORDER)
    how(script, at, draft, pick)


# ---- in a packet

def text(script, _at, draft, pick):
    places = [i for i, (kind, _) in enumerate(draft.fields) if kind == "text"]
    if places:
        place = pick.choice(places)
        new = pick.choice(STRINGS)
        # No script sees another: neither its messages nor its sessions.
        inside = place > 0 if draft.kind == wire.CONNECT else pick.random() < 0.5 or new in (b"#", b"+")
        name = script.prefix.encode()
        behind = name if not inside and draft.kind != wire.CONNECT and is_topic(new) else b""
        draft.fields[place] = ("text", (name + b"/" if inside else b"") + new + behind)
        draft.mutated("text")


def is_topic(text):
    return text and not text.startswith(b"$share/") and not any(byte in text for byte in b"\0#+") \
        and text.decode("utf-8", "ignore").encode() == text


def number(_script, _at, draft, pick):
    places = [i for i, (kind, _) in enumerate(draft.fields) if kind in fields.SIZES]
    if places:
        place = pick.choice(places)
        kind, value = draft.fields[place]
        new = pick.choice((0, 1, 2, 3, 4, 5, 0x80, 0xFF, value ^ 1 << pick.randint(0, 7), pick.randint(0, 255)))
        draft.fields[place] = (kind, new)
        draft.mutated("number")


def properties(_script, _at, draft, pick):
    places = [i for i, (kind, _) in enumerate(draft.fields) if kind == "props"]
    if not places:
        return
    props = draft.fields[pick.choice(places)][1]
    name = pick.choice(list(wire.PROPERTIES))
    new = (name, pick.choice(VALUES[wire.PROPERTIES[name][1]]))
    choice = pick.randint(0, 4)
    if choice == 0 and props:
        props.append(pick.choice(props))
        draft.mutated("property twice")
    elif choice == 1:
        props.append(pick.choice((b"\x00", b"\x04\x01", b"\x7f\x00", b"\x26\x00", b"\x22\x00", b"\x81\x00\x01", b"\xff")))
        draft.mutated("property broken")
    else:
        props.append(new)
        draft.mutated(f"property {name}")


def drop_field(_script, _at, draft, pick):
    if draft.fields:
        del draft.fields[pick.randrange(len(draft.fields))]
        draft.mutated("field missing")


def repeat_field(_script, _at, draft, pick):
    if draft.fields:
        place = pick.randrange(len(draft.fields))
        draft.fields.insert(place, draft.fields[place])
        draft.mutated("field twice")


def flags(_script, _at, draft, pick):
    draft.flags = pick.randint(0, 15)
    draft.mutated("flags")


def kind(_script, _at, draft, pick):
    draft.kind = pick.randint(0, 15)
    draft.mutated("kind")


def longer(_script, _at, draft, pick):
    draft.fields.append(("raw", bytes(pick.randint(0, 255) for _ in range(pick.randint(1, 4)))))
    draft.mutated("longer")


def shorter(_script, _at, draft, pick):
    body = draft.body()
    if body:
        draft.fields = [("raw", body[:pick.randrange(len(body))])]
        draft.mutated("shorter")


def length(_script, _at, draft, pick):
    body = draft.body()
    first = bytes([draft.kind << 4 | draft.flags])
    size = len(body)
    head = pick.choice((
        wire.varint(size + pick.randint(1, 5)), wire.varint(max(0, size - pick.randint(1, 5))),
        bytes([size & 127 | 128, size >> 7 | 128, 0]), b"\xff\xff\xff\xff\x01", b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80"))
    draft.raw = first + head + body
    draft.mutated("length")


def bit(_script, _at, draft, pick):
    raw = bytearray(draft.bytes())
    raw[pick.randrange(len(raw))] ^= 1 << pick.randint(0, 7)
    draft.raw = bytes(raw)
    draft.mutated("bit")


# ---- in the order

def repeat(script, at, _draft, _pick):
    script.steps.insert(at, script.steps[at])


def remove(script, at, _draft, _pick):
    del script.steps[at]


def move(script, at, _draft, pick):
    step = script.steps.pop(at)
    script.steps.insert(pick.randint(0, len(script.steps)), step)


def alien(script, at, _draft, pick):
    where = script.steps[at].at
    step = type(script.steps[at])("send", where, fields.bare(*pick.choice(ALIENS)))
    script.steps.insert(pick.randint(at, len(script.steps)), step)


IN_PACKET = (text, text, number, number, properties, properties, drop_field, repeat_field, flags, kind, longer, shorter,
             length, bit, bit)
IN_ORDER = (repeat, remove, move, alien, alien)
