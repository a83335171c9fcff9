import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.exceptions.ConnectionClosedException;
import com.hivemq.client.mqtt.exceptions.ConnectionFailedException;
import com.hivemq.client.mqtt.mqtt5.Mqtt5Client;
import com.hivemq.client.mqtt.mqtt5.Mqtt5ClientBuilder;
import com.hivemq.client.mqtt.mqtt5.Mqtt5RxClient;
import com.hivemq.client.mqtt.mqtt5.exceptions.Mqtt5MessageException;
import com.hivemq.client.mqtt.mqtt5.message.connect.connack.Mqtt5ConnAck;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5Publish;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5PublishBuilder;
import io.reactivex.Flowable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/** Gravitee's MQTT 5 endpoint: a client of its own for every request, and consumers that share a subscription. */
record Endpoint(UnaryOperator<Mqtt5ClientBuilder> settings, long sessionExpiry) {
    static final long DAY = 86_400;
    static final long PATIENCE_SECONDS = 20;

    static Endpoint at(int port) {
        return new Endpoint(client -> client.serverHost("localhost").serverPort(port), DAY);
    }

    Endpoint with(UnaryOperator<Mqtt5ClientBuilder> more) {
        return new Endpoint(client -> more.apply(settings.apply(client)), sessionExpiry);
    }

    /** Seconds; -1 leaves the property out. */
    Endpoint withSessionExpiry(long seconds) {
        return new Endpoint(settings, seconds);
    }

    /** Why a client does not get through to the broker, tried once; nothing where it does. */
    Optional<Exception> refusal() {
        var client = settings.apply(Mqtt5Client.builder()).buildBlocking();
        try {
            client.connect();
            client.disconnect();
            return Optional.empty();
        } catch (Mqtt5MessageException | ConnectionFailedException | ConnectionClosedException refused) {
            return Optional.of(refused);
        }
    }

    Request request() {
        return new Request("gio-apim-client-" + UUID.randomUUID().toString().split("-")[0]);
    }

    /** A request that consumes for an application; it acknowledges when told. */
    Request consume(String application, String topic) {
        return request().subscribe("$share/" + application + "/" + topic, true);
    }

    /** A request that consumes for an application; it acknowledges all by itself. */
    Request stream(String application, String topic) {
        return request().subscribe("$share/" + application + "/" + topic, false);
    }

    /** A whole request that publishes numbers as payloads, each acknowledged by the broker. */
    void produce(String topic, int from, int to) {
        produce(topic, numbers(from, to), message -> message);
    }

    /** A whole request that publishes messages made like this. */
    void produce(String topic, List<String> payloads, UnaryOperator<Mqtt5PublishBuilder.Complete> more) {
        try (Request request = request()) {
            request.publish(topic, payloads, more);
        }
    }

    static List<String> numbers(int from, int to) {
        return IntStream.range(from, to).mapToObj(String::valueOf).toList();
    }

    /** A client and what it has received; closing it ends the request. */
    final class Request implements AutoCloseable {
        final Mqtt5RxClient client;
        final Mqtt5ConnAck connAck;
        private boolean acknowledges;
        private final BlockingQueue<Mqtt5Publish> received = new LinkedBlockingQueue<>();

        private Request(String identifier) {
            client = settings.apply(Mqtt5Client.builder().identifier(identifier))
                .automaticReconnect().initialDelay(100, TimeUnit.MILLISECONDS).applyAutomaticReconnect().buildRx();
            var connect = client.connectWith().cleanStart(false);
            if (sessionExpiry > -1) {
                connect.sessionExpiryInterval(sessionExpiry);
            }
            connAck = connect.applyConnect().timeout(PATIENCE_SECONDS, TimeUnit.SECONDS).blockingGet();
        }

        Request subscribe(String filter, boolean manual) {
            acknowledges = manual;
            var messages = client.subscribePublishesWith().topicFilter(filter).qos(MqttQos.AT_LEAST_ONCE)
                .manualAcknowledgement(manual).applySubscribe();
            // The flow ends with the connection: a client whose flow is cancelled acknowledges what nobody has seen.
            messages.subscribeSingleFuture(received::add, error -> { }).join();
            return this;
        }

        /** The next message, which the caller acknowledges. */
        Mqtt5Publish hold() {
            try {
                Mqtt5Publish message = received.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
                return Check.present(message, "nothing came");
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
        }

        List<Mqtt5Publish> hold(int count) {
            return IntStream.range(0, count).mapToObj(number -> hold()).toList();
        }

        /** The payloads of the next messages, each acknowledged. */
        List<String> take(int count) {
            return IntStream.range(0, count).mapToObj(number -> acknowledged(hold())).toList();
        }

        /** What has come so far, acknowledged. */
        List<String> takeAll() {
            List<Mqtt5Publish> all = new ArrayList<>();
            received.drainTo(all);
            return all.stream().map(this::acknowledged).toList();
        }

        boolean hasReceived() {
            return !received.isEmpty();
        }

        private String acknowledged(Mqtt5Publish message) {
            if (acknowledges) {
                message.acknowledge();
            }
            return text(message);
        }

        void publish(String topic, List<String> payloads, UnaryOperator<Mqtt5PublishBuilder.Complete> more) {
            var messages = Flowable.fromIterable(payloads).map(payload -> more.apply(Mqtt5Publish.builder()
                .topic(topic).qos(MqttQos.AT_LEAST_ONCE).payload(payload.getBytes(StandardCharsets.UTF_8))).build());
            var results = client.publish(messages).timeout(PATIENCE_SECONDS, TimeUnit.SECONDS).toList().blockingGet();
            Check.equal(payloads.size(), results.size());
            results.forEach(result -> Check.that(result.getError().isEmpty(), result.toString()));
        }

        @Override
        public void close() {
            client.disconnect().blockingAwait();
        }
    }

    static String text(Mqtt5Publish message) {
        return new String(message.getPayloadAsBytes(), StandardCharsets.UTF_8);
    }
}
