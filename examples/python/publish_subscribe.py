# /// script
# dependencies = ["paho-mqtt==2.1.0"]
# ///
"""Publishes and subscribes with paho-mqtt: python3 publish_subscribe.py [HOST [PORT]]."""

import sys

import paho.mqtt.client as mqtt

MESSAGES = 3


def on_connect(client, _userdata, _flags, reason, _properties):
    if reason.is_failure:
        sys.exit(f"not let in: {reason}")
    client.subscribe("rooms/+/temperature", qos=1)


def on_subscribe(client, _userdata, _mid, reasons, _properties):
    if reasons[0].is_failure:
        sys.exit(f"not subscribed: {reasons[0]}")
    # The subscription is there: what is published from now on arrives.
    for number in range(1, MESSAGES + 1):
        client.publish(f"rooms/{number}/temperature", f"{18 + number} °C", qos=1)


def on_message(client, received, message):
    print(f"{message.topic}: {message.payload.decode()}", flush=True)
    received.append(message)
    if len(received) == MESSAGES:
        client.disconnect()


def main(host="localhost", port="1883"):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="python-example",
                         protocol=mqtt.MQTTv5, userdata=[])
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect(host, int(port))
    client.loop_forever()
    if len(client.user_data_get()) != MESSAGES:
        sys.exit("the connection ended too early")


if __name__ == "__main__":
    main(*sys.argv[1:])
