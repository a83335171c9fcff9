import com.hivemq.client.mqtt.MqttClient;
import com.hivemq.client.mqtt.MqttClientBuilder;
import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt3.Mqtt3BlockingClient;
import com.hivemq.client.mqtt.mqtt3.message.publish.Mqtt3Publish;
import com.hivemq.client.mqtt.mqtt5.Mqtt5BlockingClient;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5Publish;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** Puts a broker through its paces with the HiveMQ client: java HiveMq PORT. */
final class HiveMq {
    private static int port;

    public static void main(String[] arguments) {
        port = Integer.parseInt(arguments[0]);
        Check.runAll(
            new Check("3-qos-tcp", name -> allQos3(three(name, false), name)),
            new Check("3-qos-websocket", name -> allQos3(three(name, true), name)),
            new Check("3-session-tcp", name -> session(name, false)),
            new Check("3-session-websocket", name -> session(name, true)),
            new Check("3-retained", HiveMq::retained),
            new Check("3-will", HiveMq::will),
            new Check("5-qos-tcp", name -> allQos5(five(name, false), name)),
            new Check("5-qos-websocket", name -> allQos5(five(name, true), name)));
    }

    private static MqttClientBuilder builder(String identifier, boolean overWebSocket) {
        var builder = MqttClient.builder().identifier(identifier).serverHost("localhost").serverPort(port);
        return overWebSocket ? builder.webSocketWithDefaultConfig() : builder;
    }

    private static Mqtt3BlockingClient three(String identifier, boolean overWebSocket) {
        return builder(identifier, overWebSocket).useMqttVersion3().buildBlocking();
    }

    private static Mqtt5BlockingClient five(String identifier, boolean overWebSocket) {
        return builder(identifier, overWebSocket).useMqttVersion5().buildBlocking();
    }

    private static void allQos3(Mqtt3BlockingClient client, String topic) throws Exception {
        client.connect();
        try (var messages = client.publishes(MqttGlobalPublishFilter.ALL)) {
            for (MqttQos qos : MqttQos.values()) {
                client.subscribeWith().topicFilter(topic).qos(qos).send();
                for (MqttQos sent : MqttQos.values()) {
                    client.publishWith().topic(topic).qos(sent).payload(new byte[] {1, 2}).send();
                    Mqtt3Publish message = next(messages.receive(Endpoint.PATIENCE_SECONDS, TimeUnit.SECONDS));
                    Check.equal(qos.getCode() < sent.getCode() ? qos : sent, message.getQos());
                    Check.equal(2, message.getPayloadAsBytes().length);
                }
            }
        }
        client.disconnect();
    }

    private static void allQos5(Mqtt5BlockingClient client, String topic) throws Exception {
        client.connect();
        try (var messages = client.publishes(MqttGlobalPublishFilter.ALL)) {
            for (MqttQos qos : MqttQos.values()) {
                client.subscribeWith().topicFilter(topic).qos(qos).send();
                for (MqttQos sent : MqttQos.values()) {
                    client.publishWith().topic(topic).qos(sent).payload(new byte[100_000]).send();
                    Mqtt5Publish message = next(messages.receive(Endpoint.PATIENCE_SECONDS, TimeUnit.SECONDS));
                    Check.equal(qos.getCode() < sent.getCode() ? qos : sent, message.getQos());
                    Check.equal(100_000, message.getPayloadAsBytes().length);
                }
            }
        }
        client.disconnect();
    }

    private static <T> T next(Optional<T> message) {
        return message.orElseThrow(() -> new AssertionError("nothing came"));
    }

    private static void session(String topic, boolean overWebSocket) throws Exception {
        Mqtt3BlockingClient client = three(topic, overWebSocket);
        Check.that(!client.connectWith().cleanSession(false).send().isSessionPresent(), "a session");
        client.subscribeWith().topicFilter(topic).qos(MqttQos.EXACTLY_ONCE).send();
        client.disconnect();
        Mqtt3BlockingClient other = three(topic + "-other", overWebSocket);
        other.connect();
        List<Integer> numbers = IntStream.range(0, 30).boxed().toList();
        for (int number : numbers) {
            other.publishWith().topic(topic).qos(MqttQos.EXACTLY_ONCE).payload(new byte[] {(byte) number}).send();
        }
        other.disconnect();
        try (var messages = client.publishes(MqttGlobalPublishFilter.ALL)) {
            Check.that(client.connectWith().cleanSession(false).send().isSessionPresent(), "no session");
            for (int number : numbers) {
                Mqtt3Publish message = next(messages.receive(Endpoint.PATIENCE_SECONDS, TimeUnit.SECONDS));
                Check.equal(number, (int) message.getPayloadAsBytes()[0]);
            }
        }
        client.disconnect();
    }

    private static void retained(String topic) throws Exception {
        Mqtt3BlockingClient client = three(topic, false);
        client.connect();
        client.publishWith().topic(topic).retain(true).qos(MqttQos.AT_LEAST_ONCE).payload(new byte[] {1}).send();
        client.publishWith().topic(topic).retain(true).qos(MqttQos.AT_LEAST_ONCE).payload(new byte[] {2}).send();
        try (var messages = client.publishes(MqttGlobalPublishFilter.ALL)) {
            client.subscribeWith().topicFilter(topic).send();
            Mqtt3Publish message = next(messages.receive(Endpoint.PATIENCE_SECONDS, TimeUnit.SECONDS));
            Check.that(message.isRetain() && message.getPayloadAsBytes()[0] == 2, message.toString());
        }
        client.disconnect();
    }

    private static void will(String topic) throws Exception {
        Mqtt3BlockingClient watcher = three(topic, false);
        watcher.connect();
        try (var relay = new Relay(port); var messages = watcher.publishes(MqttGlobalPublishFilter.ALL)) {
            watcher.subscribeWith().topicFilter(topic).send();
            var mortal = builder("mortal", false).serverPort(relay.port()).useMqttVersion3().buildBlocking();
            mortal.connectWith().willPublish().topic(topic).payload(new byte[] {9}).applyWillPublish().send();
            relay.cut();
            Mqtt3Publish message = next(messages.receive(Endpoint.PATIENCE_SECONDS, TimeUnit.SECONDS));
            Check.equal(9, (int) message.getPayloadAsBytes()[0]);
        }
        watcher.disconnect();
    }
}
