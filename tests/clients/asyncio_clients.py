"""Puts a broker through its paces with a client for asyncio: python asyncio_clients.py PORT gmqtt|aiomqtt."""
import asyncio
import itertools
import sys

PATIENCE = 10


class Gmqtt:
    """gmqtt, in MQTT 3.1.1 or 5."""

    def __init__(self, identifier, version, clean=True, expiry=None, will=None):
        import gmqtt
        options = {} if expiry is None else {"session_expiry_interval": expiry}
        if will:
            options["will_message"] = gmqtt.Message(will[0], will[1], qos=1)
        self.inbox, self.subscribed = asyncio.Queue(), asyncio.Queue()
        self.version = version
        self.client = gmqtt.Client(identifier, clean_session=clean, **options)
        self.client.set_config({"reconnect_retries": 0})
        self.client.on_message = self.on_message
        self.client.on_subscribe = lambda _client, mid, _qos, _properties: self.subscribed.put_nowait(mid)

    async def on_message(self, _client, topic, payload, qos, properties):
        self.inbox.put_nowait((topic, payload.decode(), qos, bool(properties["retain"]), properties))
        return 0

    async def __aenter__(self):
        await self.client.connect("localhost", PORT, version=self.version)
        return self

    async def __aexit__(self, *_error):
        await self.client.disconnect()

    async def subscribe(self, filter_, qos):
        mid = self.client.subscribe(filter_, qos=qos)
        assert await self.subscribed.get() == mid

    async def publish(self, topic, payload, qos=0, retain=False, **properties):
        self.client.publish(topic, payload, qos=qos, retain=retain, **properties)
        await self.client._persistent_storage.wait_empty()

    async def message(self):
        return await self.inbox.get()

    def vanish(self):
        self.client._is_active = False
        self.client._connection._transport.abort()


class Aiomqtt:
    """aiomqtt, in MQTT 3.1.1 or 5."""

    def __init__(self, identifier, version, clean=True, expiry=None, will=None):
        import aiomqtt
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties
        self.make_properties = lambda: Properties(PacketTypes.PUBLISH)
        options = {"clean_session": clean} if version == 4 else {"clean_start": clean}
        if expiry is not None:
            options["properties"] = Properties(PacketTypes.CONNECT)
            options["properties"].SessionExpiryInterval = expiry
        if will:
            options["will"] = aiomqtt.Will(will[0], will[1], qos=1)
        protocol = aiomqtt.ProtocolVersion(version)
        self.client = aiomqtt.Client("localhost", PORT, identifier=identifier, protocol=protocol, **options)

    async def __aenter__(self):
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.client.__aexit__(*error)

    async def subscribe(self, filter_, qos):
        await self.client.subscribe(filter_, qos=qos)

    async def publish(self, topic, payload, qos=0, retain=False, user_property=None, response_topic=None):
        properties = None
        if user_property:
            properties = self.make_properties()
            properties.UserProperty, properties.ResponseTopic = user_property, response_topic
        await self.client.publish(topic, payload, qos=qos, retain=retain, properties=properties)

    async def message(self):
        message = await anext(aiter(self.client.messages))
        properties = {}
        if message.properties is not None and hasattr(message.properties, "UserProperty"):
            properties = {"user_property": message.properties.UserProperty,
                          "response_topic": [message.properties.ResponseTopic]}
        return message.topic.value, message.payload.decode(), message.qos, message.retain, properties

    def vanish(self):
        self.client._client._sock_close()


async def all_qos(version):
    async with CLIENT(f"all{version}", version) as client:
        for qos, sent in itertools.product((0, 1, 2), repeat=2):
            topic = f"q{version}/{qos}/{sent}"
            await client.subscribe(topic, qos)
            await client.publish(topic, f"ä{sent}", sent)
            assert (await client.message())[:4] == (topic, f"ä{sent}", min(qos, sent), False)


async def retained(version):
    async with CLIENT(f"ret{version}", version) as client:
        await client.publish(f"r{version}", "old", 1, retain=True)
        await client.publish(f"r{version}", "new", 2, retain=True)
        await client.subscribe(f"r{version}", 1)
        assert (await client.message())[:4] == (f"r{version}", "new", 1, True)
        await client.publish(f"r{version}", "", 1, retain=True)
        assert (await client.message())[:4] == (f"r{version}", "", 1, False)


async def session(version):
    kept = {"clean": False, "expiry": 600 if version == 5 else None}
    async with CLIENT(f"ses{version}", version, **kept) as client:
        await client.subscribe(f"s{version}", 1)
    async with CLIENT(f"oth{version}", version) as other:
        for number in range(30):
            await other.publish(f"s{version}", str(number), 1)
    async with CLIENT(f"ses{version}", version, **kept) as client:
        assert [int((await client.message())[1]) for _ in range(30)] == list(range(30))


async def will(version):
    async with CLIENT(f"wat{version}", version) as watcher:
        await watcher.subscribe(f"w{version}", 1)
        mortal = CLIENT(f"van{version}", version, will=(f"w{version}", "gone"))
        await mortal.__aenter__()
        mortal.vanish()
        assert (await watcher.message())[:4] == (f"w{version}", "gone", 1, False)


async def shared(version):
    async with CLIENT(f"one{version}", version) as one, CLIENT(f"two{version}", version) as two:
        inbox = asyncio.Queue()
        for member in (one, two):
            await member.subscribe("$share/group/sh", 1)
        for number in range(20):
            await one.publish("sh", str(number), 1)
        tasks = [asyncio.ensure_future(collect(member, inbox)) for member in (one, two)]
        got = [await inbox.get() for _ in range(20)]
        for task in tasks:
            task.cancel()
        assert {member for member, _ in got} == {one, two}
        assert sorted(number for _, number in got) == list(range(20))


async def collect(member, inbox):
    while True:
        inbox.put_nowait((member, int((await member.message())[1])))


async def properties(version):
    async with CLIENT(f"pro{version}", version) as client:
        await client.subscribe("pro", 1)
        pairs = [("a", "1"), ("a", "2"), ("b", "")]
        await client.publish("pro", "x", 1, user_property=pairs, response_topic="answer")
        found = (await client.message())[4]
        assert found["user_property"] == pairs and found["response_topic"] == ["answer"], found


async def main():
    for version in (4, 5):
        for check in (all_qos, retained, session, will) + ((shared, properties) if version == 5 else ()):
            await asyncio.wait_for(check(version), PATIENCE)
            print(f"{check.__name__} {version}", flush=True)


PORT, CLIENT = int(sys.argv[1]), {"gmqtt": Gmqtt, "aiomqtt": Aiomqtt}[sys.argv[2]]
asyncio.run(main())
