"""Publishes and receives over TLS: python3 paho_tls.py PORT TRANSPORT CA CERTIFICATE KEY (tcp or websockets)."""

import queue
import sys

import paho.mqtt.client as mqtt

port, transport, authority, certificate, key = sys.argv[1:]
events = queue.Queue()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"paho-{transport}", protocol=mqtt.MQTTv5,
                     transport=transport)
client.tls_set(ca_certs=authority, certfile=certificate, keyfile=key)
client.on_connect = lambda _c, _u, _f, reason, _p: events.put(("connected", reason.is_failure))
client.on_subscribe = lambda *_: events.put(("subscribed", None))
client.on_message = lambda _c, _u, message: events.put(("message", message.payload))
client.connect("localhost", int(port))
client.loop_start()
assert events.get(timeout=10) == ("connected", False)
client.subscribe("tls/#", 2)
assert events.get(timeout=10) == ("subscribed", None)
for size in (0, 1, 16_000, 17_000, 300_000, 2_000_000):
    payload = bytes(number % 251 for number in range(size))
    client.publish("tls/x", payload, 2)
    assert events.get(timeout=20) == ("message", payload), size
client.disconnect()
client.loop_stop()
print("published and received")
