// Puts a broker through its paces with MQTT.js: node mqttjs.mjs URL (mqtt:// or ws://).
import assert from "node:assert/strict";
import mqtt from "mqtt";

const PATIENCE_MS = 10_000;
const [url] = process.argv.slice(2);

function within(promise, what) {
  const { promise: late, reject } = Promise.withResolvers?.() ?? deferred();
  const timer = setTimeout(() => reject(new Error(`nothing came: ${what}`)), PATIENCE_MS);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

// A client whose messages can be taken one by one.
class Client {
  static async open(options) {
    const client = new Client();
    client.waiting = [];
    client.messages = [];
    client.mqtt = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: PATIENCE_MS, ...options });
    client.mqtt.on("message", (topic, payload, packet) => client.put({ topic, payload: payload.toString(), packet }));
    const { promise, resolve, reject } = deferred();
    client.mqtt.on("connect", resolve);
    client.mqtt.on("error", reject);
    client.connack = await within(promise, "CONNACK");
    return client;
  }

  put(message) {
    const waiting = this.waiting.shift();
    if (waiting) waiting.resolve(message);
    else this.messages.push(message);
  }

  message() {
    if (this.messages.length > 0) return Promise.resolve(this.messages.shift());
    const made = deferred();
    this.waiting.push(made);
    return within(made.promise, "a message");
  }

  close() {
    return within(this.mqtt.endAsync(), "the end");
  }
}

const shown = ({ topic, payload, packet }) => [topic, payload, packet.qos, packet.retain];

async function allQos(version) {
  const client = await Client.open(version);
  for (const qos of [0, 1, 2]) {
    const [granted] = await client.mqtt.subscribeAsync(`n/${qos}/+`, { qos });
    assert.equal(granted.qos, qos);
    for (const sent of [0, 1, 2]) {
      await client.mqtt.publishAsync(`n/${qos}/${sent}`, `ä${sent}`, { qos: sent });
      assert.deepEqual(shown(await client.message()), [`n/${qos}/${sent}`, `ä${sent}`, Math.min(qos, sent), false]);
    }
  }
  await client.close();
}

async function large(version) {
  const client = await Client.open(version);
  await client.mqtt.subscribeAsync("n/large", { qos: 2 });
  const payload = "0123456789".repeat(100_000);
  await client.mqtt.publishAsync("n/large", payload, { qos: 2 });
  assert.equal((await client.message()).payload, payload);
  await client.close();
}

async function retained(version) {
  const client = await Client.open(version);
  await client.mqtt.publishAsync("n/kept", "value", { qos: 1, retain: true });
  await client.mqtt.subscribeAsync("n/kept", { qos: 1 });
  assert.deepEqual(shown(await client.message()), ["n/kept", "value", 1, true]);
  await client.mqtt.publishAsync("n/kept", "", { qos: 1, retain: true });
  await client.close();
}

async function session(version) {
  const kept = { ...version, clientId: `node-session-${version.protocolVersion}`, clean: false };
  if (version.protocolVersion === 5) kept.properties = { sessionExpiryInterval: 600 };
  const first = await Client.open(kept);
  await first.mqtt.subscribeAsync("n/session/#", { qos: 2 });
  await first.close();
  const other = await Client.open(version);
  const numbers = Array.from({ length: 30 }, (_, number) => `${number}`);
  for (const number of numbers) await other.mqtt.publishAsync(`n/session/${number}`, number, { qos: 2 });
  await other.close();
  const second = await Client.open(kept);
  const got = [];
  while (got.length < numbers.length) got.push((await second.message()).payload);
  assert.deepEqual(got, numbers);
  await second.close();
  await (await Client.open({ ...kept, clean: true })).close();
}

async function properties() {
  const client = await Client.open({ protocolVersion: 5, clientId: "" });
  assert.ok(client.connack.properties.assignedClientIdentifier);
  assert.equal(client.connack.properties.topicAliasMaximum, 65535);
  await client.mqtt.subscribeAsync("n/5", { qos: 1, properties: { subscriptionIdentifier: 9 } });
  const sent = { contentType: "text/plain", userProperties: { a: ["1", "2"] }, correlationData: Buffer.from([1]) };
  await client.mqtt.publishAsync("n/5", "x", { qos: 1, properties: sent });
  const { packet } = await client.message();
  assert.equal(packet.properties.contentType, "text/plain");
  assert.deepEqual(packet.properties.userProperties.a, ["1", "2"]);
  assert.deepEqual([...packet.properties.correlationData], [1]);
  assert.equal([packet.properties.subscriptionIdentifier].flat()[0], 9);
  await client.close();
}

const versions = [
  { protocolId: "MQIsdp", protocolVersion: 3 },
  { protocolVersion: 4 },
  { protocolVersion: 5 },
];
for (const version of versions) {
  for (const check of [allQos, large, retained, session]) {
    await check(version);
    console.log(`${check.name} ${version.protocolVersion}`);
  }
}
await properties();
console.log("properties 5");
