import com.hivemq.client.mqtt.MqttClientSslConfig;
import com.hivemq.client.mqtt.mqtt5.Mqtt5ClientBuilder;
import java.io.FileInputStream;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.List;
import java.util.function.UnaryOperator;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;

/** The gateway's ways to be secure: java Tls DIRECTORY PORT MUTUAL_PORT, with the keystores in the directory. */
final class Tls {
    private static final char[] PASSWORD = "secret".toCharArray();
    private static Path directory;

    public static void main(String[] arguments) {
        directory = Path.of(arguments[0]);
        int port = Integer.parseInt(arguments[1]);
        int mutual = Integer.parseInt(arguments[2]);
        Endpoint plain = Endpoint.at(port);
        Endpoint trusting = plain.with(secure("trust.p12", null));
        Endpoint known = Endpoint.at(mutual).with(secure("trust.p12", "client.p12"));
        Endpoint knownJks = Endpoint.at(mutual).with(secure("trust.jks", "client.jks"));
        Endpoint nameless = Endpoint.at(mutual).with(secure("trust.p12", null));
        Endpoint stranger = Endpoint.at(mutual).with(secure("trust.p12", "stranger.p12"));
        UnaryOperator<Mqtt5ClientBuilder> webSocket = Mqtt5ClientBuilder::webSocketWithDefaultConfig;
        Check.runAll(
            new Check("trusted", topic -> isServed(trusting, topic)),
            new Check("trusted-jks", topic -> isServed(plain.with(secure("trust.jks", null)), topic)),
            new Check("websocket", topic -> isServed(trusting.with(webSocket), topic)),
            new Check("mutual", topic -> isServed(known, topic)),
            new Check("mutual-jks", topic -> isServed(knownJks, topic)),
            new Check("mutual-websocket", topic -> isServed(known.with(webSocket), topic)),
            new Check("untrusted", topic -> isDistrusted(plain.with(secure("stranger.p12", null)))),
            new Check("another-name", topic -> isDistrusted(trusting.with(client -> client.serverHost("127.0.0.1")))),
            new Check("no-certificate", topic -> isRefused(nameless)),
            new Check("another-certificate", topic -> isRefused(stranger)),
            new Check("plain", topic -> isRefused(plain)));
    }

    private static UnaryOperator<Mqtt5ClientBuilder> secure(String trustStore, String keyStore) {
        return client -> client.sslConfig(configuration(trustStore, keyStore));
    }

    private static MqttClientSslConfig configuration(String trustStore, String keyStore) {
        try {
            var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(load(trustStore));
            var configuration = MqttClientSslConfig.builder().trustManagerFactory(trust);
            if (keyStore != null) {
                var key = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
                key.init(load(keyStore), PASSWORD);
                configuration.keyManagerFactory(key);
            }
            return configuration.build();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static KeyStore load(String name) throws Exception {
        KeyStore store = KeyStore.getInstance(name.endsWith(".jks") ? "JKS" : "PKCS12");
        try (var file = new FileInputStream(directory.resolve(name).toFile())) {
            store.load(file, PASSWORD);
        }
        return store;
    }

    private static void isServed(Endpoint endpoint, String topic) {
        endpoint.consume("app", topic).close();
        endpoint.produce(topic, 0, 20);
        try (var poll = endpoint.consume("app", topic)) {
            Check.equal(Endpoint.numbers(0, 20), poll.take(20));
        }
        endpoint.produce(topic, List.of("x".repeat(300_000)), message -> message);
        try (var poll = endpoint.consume("app", topic)) {
            Check.equal(300_000, poll.take(1).get(0).length());
        }
    }

    private static void isRefused(Endpoint endpoint) {
        Check.that(endpoint.refusal().isPresent(), "let in");
    }

    /** The client itself ends the handshake. */
    private static void isDistrusted(Endpoint endpoint) {
        Throwable cause = Check.present(endpoint.refusal().orElse(null), "let in").getCause();
        Check.that(cause instanceof SSLException, "refused for another reason: " + cause);
    }
}
