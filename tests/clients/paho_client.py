"""Puts a broker through its paces with paho-mqtt: python3 paho_client.py PORT TRANSPORT (tcp or websockets)."""

import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 10
V31, V311, V5 = mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5
NAMES = {V31: "3.1", V311: "3.1.1", V5: "5"}


class Client:
    """A client whose events can be waited for one by one."""

    def __init__(self, name, version, clean=True, expiry=None, will=None):
        clean_session = clean if version != V5 else None
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version,
                                clean_session=clean_session, transport=TRANSPORT)
        self.paho.ws_set_options(path="/mqtt")
        self.events = {kind: queue.Queue() for kind in ("connect", "subscribe", "publish", "message", "disconnect")}
        self.paho.on_connect = lambda _c, _u, flags, reason, properties: self.put("connect", flags, reason, properties)
        self.paho.on_subscribe = lambda _c, _u, _mid, reasons, _p: self.put("subscribe", reasons)
        self.paho.on_publish = lambda _c, _u, mid, reason, _p: self.put("publish", mid, reason)
        self.paho.on_message = lambda _c, _u, message: self.put("message", message)
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.put("disconnect", reason)
        if will:
            self.paho.will_set(*will)
        options = {}
        if version == V5:
            options["clean_start"] = clean
            if expiry is not None:
                options["properties"] = properties(PacketTypes.CONNECT, SessionExpiryInterval=expiry)
        self.paho.connect("127.0.0.1", PORT, keepalive=30, **options)
        self.paho.loop_start()
        self.flags, self.reason, self.properties = self.next("connect")
        assert not self.reason.is_failure, self.reason

    def put(self, kind, *values):
        self.events[kind].put(values)

    def next(self, kind):
        return self.events[kind].get(timeout=PATIENCE)

    def message(self):
        return self.next("message")[0]

    def subscribe(self, filter_, qos):
        self.paho.subscribe(filter_, qos)
        return [reason.value for reason in self.next("subscribe")[0]]

    def publish(self, topic, payload, qos=0, **options):
        self.paho.publish(topic, payload, qos, **options)
        self.next("publish")

    def close(self):
        self.paho.disconnect()
        self.next("disconnect")
        self.paho.loop_stop()

    def vanish(self):
        """Ends without DISCONNECT."""
        self.paho.loop_stop()
        self.paho._sock_close()


def properties(packet, **values):
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def shown(message):
    return message.topic, message.payload.decode(), message.qos, message.retain


def all_qos(version):
    client = Client(f"all{version}", version)
    for qos in (0, 1, 2):
        assert client.subscribe(f"p{version}/{qos}/+", qos) == [qos]
        for sent in (0, 1, 2):
            client.publish(f"p{version}/{qos}/{sent}", f"ä{sent}", sent)
            message = client.message()
            assert shown(message) == (f"p{version}/{qos}/{sent}", f"ä{sent}", min(qos, sent), False)
    client.close()


def retained(version):
    client = Client(f"ret{version}", version)
    client.publish(f"r{version}/x", "old", 1, retain=True)
    client.publish(f"r{version}/x", "new", 2, retain=True)
    client.subscribe(f"r{version}/#", 1)
    assert shown(client.message()) == (f"r{version}/x", "new", 1, True)
    client.publish(f"r{version}/x", "", 1, retain=True)
    assert shown(client.message()) == (f"r{version}/x", "", 1, False)
    client.close()
    late = Client(f"late{version}", version)
    late.subscribe(f"r{version}/#", 1)
    late.publish(f"r{version}/end", "end")
    assert shown(late.message()) == (f"r{version}/end", "end", 0, False)
    late.close()


def session(version):
    options = {"clean": False, "expiry": 600 if version == V5 else None}
    client = Client(f"ses{version}", version, **options)
    assert not client.flags.session_present
    client.subscribe(f"s{version}/#", 2)
    client.close()
    other = Client(f"oth{version}", version)
    for number in range(50):
        other.publish(f"s{version}/{number}", str(number), number % 2 + 1)
    other.close()
    client = Client(f"ses{version}", version, **options)
    assert client.flags.session_present or version == V31
    got = [shown(client.message()) for _ in range(50)]
    # Paho hands over QoS 2 when its flow ends, so that only the order within one QoS is the broker's.
    for qos in (1, 2):
        sent = [(f"s{version}/{number}", str(number), qos, False) for number in range(qos - 1, 50, 2)]
        assert [message for message in got if message[2] == qos] == sent
    client.close()
    client = Client(f"ses{version}", version, clean=True)
    assert not client.flags.session_present
    client.close()


def will(version):
    watcher = Client(f"wat{version}", version)
    watcher.subscribe(f"w{version}", 1)
    Client(f"van{version}", version, will=(f"w{version}", "gone", 1)).vanish()
    assert shown(watcher.message()) == (f"w{version}", "gone", 1, False)
    Client(f"bye{version}", version, will=(f"w{version}", "bye", 1)).close()
    watcher.publish(f"w{version}", "end")
    assert shown(watcher.message())[1] == "end"
    watcher.close()


def version_5():
    client = Client("", V5)
    assert client.properties.AssignedClientIdentifier
    client.paho.subscribe("v5/#", options=SubscribeOptions(qos=1, noLocal=True))
    client.next("subscribe")
    client.paho.subscribe("v5/t", options=SubscribeOptions(qos=2),
                          properties=properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=7))
    client.next("subscribe")
    client.publish("v5/own", "not echoed", 1)
    sent = properties(PacketTypes.PUBLISH, ContentType="text/plain", ResponseTopic="v5/answer",
                      CorrelationData=b"\x00\x01", MessageExpiryInterval=100, PayloadFormatIndicator=1)
    sent.UserProperty = [("a", "1"), ("a", "2"), ("b", "")]
    client.publish("v5/t", "hello", 2, properties=sent)
    got = client.message()
    assert shown(got) == ("v5/t", "hello", 2, False), shown(got)
    assert got.properties.UserProperty == sent.UserProperty
    assert (got.properties.ContentType, got.properties.ResponseTopic) == ("text/plain", "v5/answer")
    assert (got.properties.CorrelationData, got.properties.SubscriptionIdentifier) == (b"\x00\x01", [7])
    assert 98 <= got.properties.MessageExpiryInterval <= 100
    client.close()


def shared():
    inbox = queue.Queue()
    members = [Client(f"member{number}", V5) for number in range(2)]
    for number, member in enumerate(members):
        member.paho.on_message = lambda _c, _u, message, number=number: inbox.put((number, message))
        member.subscribe("$share/group/sh/#", 1)
    sender = Client("sender", V5)
    for number in range(20):
        sender.publish(f"sh/{number}", str(number), 1)
    got = [inbox.get(timeout=PATIENCE) for _ in range(20)]
    assert {number for number, _ in got} == {0, 1}
    assert sorted(int(message.payload) for _, message in got) == list(range(20))
    for client in (*members, sender):
        client.close()


PORT, TRANSPORT = int(sys.argv[1]), sys.argv[2]
for check in (all_qos, retained, session, will):
    for protocol in (V31, V311, V5):
        check(protocol)
        print(f"{check.__name__} {NAMES[protocol]}", flush=True)
for check in (version_5, shared):
    check()
    print(f"{check.__name__} 5", flush=True)
