"""Paho over TLS: paho_tls.py DIRECTORY PORT MUTUAL_PORT, with the PEM files in the directory."""
import queue
import ssl
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE = 10


def connect(port, transport, certificate=None, key=None, trusted="broker.pem"):
    """What comes back of a message of its own, or the error that keeps the client out."""
    inbox = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, transport=transport)
    paths = [name and f"{DIRECTORY}/{name}" for name in (trusted, certificate, key)]
    client.tls_set(*paths)
    client.on_connect = lambda client, *_rest: client.subscribe("tls", 1)
    client.on_subscribe = lambda client, *_rest: client.publish("tls", "over TLS", 1)
    client.on_message = lambda _client, _data, message: inbox.put(message.payload)
    client.on_disconnect = lambda _client, _data, _flags, reason, _properties: inbox.put(reason)
    try:
        client.connect("localhost", port)
    except (ssl.SSLError, OSError) as error:
        return error
    client.loop_start()
    result = inbox.get(timeout=PATIENCE)
    client.disconnect()
    client.loop_stop()
    return result


DIRECTORY, PORT, MUTUAL = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for transport in ("tcp", "websockets"):
    assert connect(PORT, transport) == b"over TLS"
    print(f"trusted {transport}")
    assert connect(MUTUAL, transport, "client.pem", "client.key") == b"over TLS"
    print(f"mutual {transport}")
    assert connect(MUTUAL, transport) != b"over TLS"
    print(f"no certificate {transport}")
    assert connect(MUTUAL, transport, "stranger.pem") != b"over TLS"
    print(f"another certificate {transport}")
assert isinstance(connect(PORT, "tcp", trusted="client.pem"), ssl.SSLCertVerificationError)
print("untrusted")
