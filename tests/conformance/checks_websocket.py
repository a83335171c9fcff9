"""MQTT over WebSocket: the handshake, frames that do not align with packets, illegal frames."""

import os

import streams
import wire
from client import Closed, require, require_equal
from harness import check
from streams import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame


def on_ws(statement, cases=None):
    """A check that runs only over WebSocket; the version matters little there."""
    return check(statement, (4,), cases, transport="ws")


def request(t, path="/mqtt", **options):
    """Status and headers answering an upgrade request."""
    tcp = streams.TcpStream(t.host, t.port)
    try:
        tcp.send(streams.upgrade_request(t.host, t.port, path, **options))
        return streams.read_http_head(tcp)[:2]
    finally:
        tcp.close()


def send_frames(client, *frames):
    client.stream.tcp.send(b"".join(frames))


def expect_ended(client):
    """The server closes, with or without a Close frame; it answers no packet."""
    try:
        packet = client.recv()
    except Closed:
        return
    require(False, "connection closed", packet or "still open")


@on_ws("MQTT-6.0.0-4", cases=["mqtt", "mqttv3.1"])
def subprotocol_is_echoed(t, protocol):
    client = t.raw(3 if protocol == "mqttv3.1" else 4, protocol=protocol)
    require_equal(client.stream.headers.get("sec-websocket-protocol"), protocol, "subprotocol")
    client.connect(t.cid())


@on_ws("MQTT-6.0.0-4")
def mqtt_is_chosen_among_subprotocols(t):
    status, headers = request(t, protocol="chat, mqtt, superchat")
    require_equal((status, headers.get("sec-websocket-protocol")), (101, "mqtt"), "answer")


@on_ws("MQTT-6.0.0-4")
def foreign_subprotocol_is_not_accepted(t):
    _, headers = request(t, protocol="chat")
    require_equal(headers.get("sec-websocket-protocol"), None, "subprotocol")


@on_ws("RFC6455-4.2.2", cases=["/", "/mqtt", "/ws", "/any/path?x=1"])
def any_path(t, path):
    t.raw(path=path).connect(t.cid())


@on_ws("RFC6455-4.2.1", cases={"case": {"Upgrade": "WebSocket", "Connection": "upgrade"},
                               "list": {"Connection": "keep-alive, Upgrade"},
                               "origin": {"Origin": "http://example.org", "User-Agent": "x"}})
def lenient_request_headers(t, headers):
    require_equal(request(t, headers=headers)[0], 101, "status")


@on_ws("RFC6455-4.2.1", cases={"no key": {"Sec-WebSocket-Key": None}, "version 12": {"Sec-WebSocket-Version": "12"},
                               "no upgrade": {"Upgrade": None, "Connection": None}})
def bad_request_headers(t, headers):
    status, _ = request(t, headers=headers)
    require(status is None or status != 101, "an error or close", status)


@on_ws("RFC6455-4.2.1", cases={"GET": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                               "POST": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"})
def plain_http_request(t, raw):
    tcp = streams.TcpStream(t.host, t.port)
    tcp.send(raw)
    status, _, _ = streams.read_http_head(tcp)
    tcp.close()
    require(status is None or status >= 200, "an answer or close", status)


@on_ws("RFC6455-4.2.1")
def endless_request_is_cut_off(t):
    tcp = streams.TcpStream(t.host, t.port)
    tcp.send(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n")
    for n in range(200):
        tcp.send(b"X-%d: %s\r\n" % (n, b"x" * 8000))
    got = tcp.recv(3)
    tcp.close()
    require(got is not None, "an error or close", "nothing")


@on_ws("RFC6455-4.2.1")
def request_in_small_pieces(t):
    tcp = streams.TcpStream(t.host, t.port)
    raw = streams.upgrade_request(t.host, t.port)
    for at in range(0, len(raw), 20):
        tcp.send(raw[at:at + 20])
    status, _, _ = streams.read_http_head(tcp)
    tcp.close()
    require_equal(status, 101, "status")


@on_ws("MQTT-6.0.0-2 MQTT-6.0.0-1")
def packet_split_over_frames(t):
    client = t.raw()
    for byte in wire.connect(4, t.cid()):
        client.send(bytes([byte]))
    require_equal(client.expect_first_connack().code, 0, "return code")


@on_ws("MQTT-6.0.0-2")
def several_packets_in_a_frame(t):
    client = t.raw()
    client.send(wire.connect(4, t.cid()) + wire.pingreq() * 2 + wire.subscribe(4, 1, [(t.topic(), 0)])
                + wire.publish(4, t.topic(), b"x"))
    require_equal(client.expect_first_connack().code, 0, "return code")
    client.expect(wire.PINGRESP)
    client.expect(wire.PINGRESP)
    client.expect(wire.SUBACK, pid=1)
    client.expect_publish(t.topic(), b"x")


@on_ws("MQTT-6.0.0-2")
def frames_cut_across_packets(t):
    client = t.client()
    raw = wire.pingreq() * 9
    for at in range(0, len(raw), 3):
        client.send(raw[at:at + 3])
    for _ in range(9):
        client.expect(wire.PINGRESP)


@on_ws("RFC6455-5.4")
def fragmented_message(t):
    client = t.raw()
    raw = wire.connect(4, t.cid())
    send_frames(client, frame(BINARY, raw[:3], fin=False), frame(CONTINUATION, raw[3:7], fin=False),
                frame(CONTINUATION, raw[7:]))
    require_equal(client.expect_first_connack().code, 0, "return code")


@on_ws("RFC6455-5.4")
def ping_between_fragments(t):
    client = t.raw()
    raw = wire.connect(4, t.cid())
    send_frames(client, frame(BINARY, raw[:3], fin=False), frame(PING, b"mid"), frame(CONTINUATION, raw[3:]))
    require_equal(client.stream.recv_frame(3), (PONG, b"mid"), "frame")
    require_equal(client.expect_first_connack().code, 0, "return code")


@on_ws("RFC6455-5.2")
def frame_byte_by_byte(t):
    client = t.raw()
    for byte in frame(BINARY, wire.connect(4, t.cid())):
        send_frames(client, bytes([byte]))
    require_equal(client.expect_first_connack().code, 0, "return code")


@on_ws("RFC6455-5.2", cases=[100, 125, 126, 65535, 65536, 300000])
def frame_lengths(t, size):
    client, watcher = t.client(), t.client()
    watcher.subscribe(t.topic(), 1)
    overhead = len(wire.publish(4, t.topic(), b"x" * (size - 20), 1, 9)) - (size - 20)
    payload = os.urandom(size - overhead)
    client.publish(t.topic(), payload, 1)
    watcher.expect_publish(t.topic(), payload, timeout=8)


@on_ws("RFC6455-5.2")
def empty_frame_is_harmless(t):
    client = t.client()
    client.send(b"")
    client.ping()


@on_ws("RFC6455-5.5.3", cases={"empty": b"", "text": b"hello", "longest": b"x" * 125})
def ping_is_answered(t, payload):
    client = t.client()
    send_frames(client, frame(PING, payload))
    require_equal(client.stream.recv_frame(3), (PONG, payload), "frame")
    client.ping()


@on_ws("RFC6455-5.5.3")
def unasked_pong_is_ignored(t):
    client = t.client()
    send_frames(client, frame(PONG, b"x"))
    client.ping()


@on_ws("RFC6455-5.5.1", cases={"1000": b"\x03\xe8", "with reason": b"\x03\xe8bye", "empty": b""})
def close_handshake(t, payload):
    client = t.client()
    send_frames(client, frame(CLOSE, payload))
    got = client.stream.recv_frame(3)
    require(got and got[0] == CLOSE, "a Close frame", got)
    require_equal(client.stream.tcp.recv(3), b"", "end of the TCP connection")


@on_ws("MQTT-3.1.2-8")
def close_without_disconnect_fires_the_will(t):
    watcher = t.client()
    watcher.subscribe(t.topic())
    client = t.client(will=(t.topic(), b"gone", 0, False, ()))
    send_frames(client, frame(CLOSE, b"\x03\xe8"))
    watcher.expect_publish(t.topic(), b"gone")


@on_ws("MQTT-6.0.0-1", cases={"before connect": False, "after connect": True})
def text_frame_closes(t, connected):
    client = t.client() if connected else t.raw()
    raw = wire.pingreq() if connected else wire.connect(4, t.cid())
    send_frames(client, frame(TEXT, raw))
    expect_ended(client)


@on_ws("RFC6455-5.1")
def unmasked_frame_closes(t):
    client = t.client()
    send_frames(client, frame(BINARY, wire.pingreq(), masked=False))
    expect_ended(client)


@on_ws("RFC6455-5.2", cases={"reserved opcode 3": frame(3, b"\xc0\x00"), "reserved opcode 11": frame(11, b""),
                             "rsv1": frame(BINARY, b"\xc0\x00", rsv=4), "long ping": frame(PING, b"x" * 126),
                             "fragmented ping": frame(PING, b"x", fin=False),
                             "lone continuation": frame(CONTINUATION, b"\xc0\x00"),
                             "new message inside another": frame(BINARY, b"\xc0", fin=False) + frame(BINARY, b"\x00")})
def illegal_frame_closes(t, raw):
    client = t.client()
    send_frames(client, raw)
    expect_ended(client)


@on_ws("RFC6455-5.2")
def huge_frame_length_harms_nobody(t):
    client = t.client()
    send_frames(client, b"\x82\xff\x7f" + b"\xff" * 7 + b"\0\0\0\0x")
    t.alive()


@on_ws("MQTT-3.14.4")
def websocket_closes_after_disconnect(t):
    client = t.client()
    client.send(wire.disconnect())
    expect_ended(client)
