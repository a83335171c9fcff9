import com.hivemq.client.mqtt.datatypes.MqttTopic;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5PayloadFormatIndicator;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5Publish;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Puts a broker through what an API gateway asks of it: java Gravitee PORT. */
final class Gravitee {
    private static int port;
    private static Endpoint endpoint;

    public static void main(String[] arguments) {
        port = Integer.parseInt(arguments[0]);
        endpoint = Endpoint.at(port);
        Check.runAll(
            new Check("capabilities", Gravitee::capabilities),
            new Check("polls", Gravitee::polls),
            new Check("parallel-polls", Gravitee::parallelPolls),
            new Check("applications", Gravitee::applications),
            new Check("churn", Gravitee::churn),
            new Check("streams", Gravitee::streams),
            new Check("filters", Gravitee::filters),
            new Check("long-acknowledgement", Gravitee::longAcknowledgement),
            new Check("unacknowledged-goes-back", Gravitee::unacknowledgedGoesBack),
            new Check("reconnect", Gravitee::reconnect),
            new Check("reconnect-alone", Gravitee::reconnectAlone),
            new Check("session-expiry", Gravitee::sessionExpiry),
            new Check("no-session-expiry", Gravitee::noSessionExpiry),
            new Check("message-expiry", Gravitee::messageExpiry),
            new Check("retained", Gravitee::retained),
            new Check("response-topic", Gravitee::responseTopic));
    }

    private static void capabilities(String topic) {
        try (var request = endpoint.request()) {
            var restrictions = request.connAck.getRestrictions();
            Check.that(restrictions.isSharedSubscriptionAvailable(), "no shared subscriptions");
            Check.that(restrictions.isRetainAvailable(), "no retained messages");
            Check.that(restrictions.isWildcardSubscriptionAvailable(), "no wildcards");
            Check.equal(Endpoint.DAY, request.connAck.getSessionExpiryInterval().orElse(Endpoint.DAY));
        }
    }

    /** The first poll makes the subscription, the later ones find what has come since. */
    private static void polls(String topic) {
        endpoint.consume("app", topic).close();
        endpoint.produce(topic, 0, 20);
        try (var poll = endpoint.consume("app", topic)) {
            Check.equal(Endpoint.numbers(0, 5), poll.take(5));
        }
        endpoint.produce(topic, 20, 30);
        try (var poll = endpoint.consume("app", topic)) {
            Check.equal(Endpoint.numbers(5, 30), poll.take(25));
        }
        expectNothingBut("end", topic);
    }

    /** What the next poll gets is this message, published now, and no other. */
    private static void expectNothingBut(String marker, String topic) {
        try (var poll = endpoint.consume("app", topic)) {
            endpoint.produce(topic, List.of(marker), message -> message);
            Check.equal(List.of(marker), poll.take(1));
            Check.that(!poll.hasReceived(), "more came");
        }
    }

    private static void parallelPolls(String topic) throws Exception {
        var polls = IntStream.range(0, 3).mapToObj(number -> endpoint.consume("app", topic)).toList();
        endpoint.produce(topic, 0, 300);
        var taken = new ArrayList<List<String>>();
        polls.forEach(poll -> taken.add(new ArrayList<>()));
        Check.eventually("300 messages", () -> {
            IntStream.range(0, 3).forEach(number -> taken.get(number).addAll(polls.get(number).takeAll()));
            return taken.stream().mapToInt(List::size).sum() >= 300;
        });
        polls.forEach(Endpoint.Request::close);
        taken.forEach(part -> Check.that(part.size() > 30, "a poll got " + part.size() + " of 300"));
        expectEachOnce(300, taken.stream().flatMap(List::stream).toList());
    }

    private static void expectEachOnce(int count, List<String> found) {
        var expected = new ArrayList<>(Endpoint.numbers(0, count));
        var sorted = new ArrayList<>(found);
        Collections.sort(expected);
        Collections.sort(sorted);
        Check.equal(expected, sorted);
    }

    private static void applications(String topic) {
        try (var one = endpoint.consume("one", topic); var two = endpoint.consume("two", topic)) {
            endpoint.produce(topic, 0, 10);
            Check.equal(Endpoint.numbers(0, 10), one.take(10));
            Check.equal(Endpoint.numbers(0, 10), two.take(10));
        }
    }

    /** Polls come and go while messages come; each is acknowledged once. */
    private static void churn(String topic) throws Exception {
        endpoint.consume("app", topic).close();
        var isProduced = new AtomicBoolean();
        var polling = Stream.generate(() -> isProduced).limit(3)
            .map(isOver -> CompletableFuture.supplyAsync(() -> pollUntil(isOver, topic), Check.THREADS)).toList();
        IntStream.range(0, 20).forEach(part -> endpoint.produce(topic, part * 50, part * 50 + 50));
        isProduced.set(true);
        var taken = new ArrayList<String>();
        for (var poll : polling) {
            taken.addAll(poll.get(Endpoint.PATIENCE_SECONDS, TimeUnit.SECONDS));
        }
        try (var last = endpoint.consume("app", topic)) {
            taken.addAll(last.take(1000 - taken.size()));
        }
        expectEachOnce(1000, taken);
        expectNothingBut("end", topic);
    }

    private static List<String> pollUntil(AtomicBoolean isOver, String topic) {
        var taken = new ArrayList<String>();
        while (!isOver.get()) {
            try (var poll = endpoint.consume("app", topic)) {
                taken.addAll(poll.takeAll());
            }
        }
        return taken;
    }

    private static void streams(String topic) throws Exception {
        try (var one = endpoint.stream("app", topic); var two = endpoint.stream("app", topic)) {
            var taken = new ArrayList<String>();
            endpoint.produce(topic, 0, 500);
            Check.eventually("500 messages", () -> {
                taken.addAll(one.takeAll());
                taken.addAll(two.takeAll());
                return taken.size() >= 500;
            });
            expectEachOnce(500, taken);
        }
        expectNothingBut("end", topic);
    }

    private static void filters(String topic) {
        try (var level = endpoint.consume("app", topic + "/+/c"); var all = endpoint.consume("app", topic + "/#")) {
            endpoint.produce(topic + "/b/c", 0, 3);
            endpoint.produce(topic + "/b", 3, 4);
            endpoint.produce(topic, 4, 5);
            Check.equal(Endpoint.numbers(0, 3), level.take(3));
            Check.equal(Endpoint.numbers(0, 5), all.take(5));
            Check.that(!level.hasReceived(), "a filter took too much");
        }
    }

    /** A webhook that takes its time: what it holds is not sent again, to nobody, and others go on meanwhile. */
    private static void longAcknowledgement(String topic) throws Exception {
        try (var slow = endpoint.consume("app", topic)) {
            endpoint.produce(topic, 0, 10);
            List<Mqtt5Publish> held = slow.hold(10);
            try (var other = endpoint.consume("app", topic)) {
                TimeUnit.SECONDS.sleep(2);
                Check.that(!slow.hasReceived() && !other.hasReceived(), "sent again");
                endpoint.produce(topic, 10, 110);
                var taken = new ArrayList<String>();
                Check.eventually("100 further messages", () -> {
                    taken.addAll(slow.takeAll());
                    taken.addAll(other.takeAll());
                    return taken.size() >= 100;
                });
                expectEachOnce(110, Stream.concat(held.stream().map(Endpoint::text), taken.stream()).toList());
            }
            held.forEach(Mqtt5Publish::acknowledge);
        }
        expectNothingBut("end", topic);
    }

    private static void unacknowledgedGoesBack(String topic) {
        var first = endpoint.consume("app", topic);
        endpoint.produce(topic, 0, 10);
        List<Mqtt5Publish> held = first.hold(10);
        held.subList(0, 4).forEach(Mqtt5Publish::acknowledge);
        try (var second = endpoint.consume("app", topic)) {
            first.close();
            Check.equal(Endpoint.numbers(4, 10), second.hold(6).stream().map(Endpoint::text).toList());
        }
        try (var third = endpoint.consume("app", topic)) {
            Check.equal(Endpoint.numbers(4, 10), third.take(6));
        }
        expectNothingBut("end", topic);
    }

    /** A network failure: another member gets what was held; the client comes back with its session and goes on. */
    private static void reconnect(String topic) throws Exception {
        try (var relay = new Relay(port)) {
            var far = endpoint.with(client -> client.serverPort(relay.port())).consume("app", topic);
            endpoint.produce(topic, 0, 5);
            List<Mqtt5Publish> held = far.hold(5);
            try (var near = endpoint.consume("app", topic)) {
                relay.cut();
                Check.equal(Endpoint.numbers(0, 5), near.take(5));
                Check.eventually("a new connection", () -> far.client.getState().isConnected());
            }
            held.forEach(Mqtt5Publish::acknowledge);
            endpoint.produce(topic, 5, 10);
            Check.equal(Endpoint.numbers(5, 10), far.take(5));
            far.close();
        }
        expectNothingBut("end", topic);
    }

    /** Without other members the client gets again what it held. */
    private static void reconnectAlone(String topic) throws Exception {
        try (var relay = new Relay(port)) {
            var far = endpoint.with(client -> client.serverPort(relay.port())).consume("app", topic);
            endpoint.produce(topic, 0, 5);
            List<Mqtt5Publish> held = far.hold(5);
            relay.cut();
            endpoint.produce(topic, 5, 10);
            List<Mqtt5Publish> again = far.hold(5);
            // The client acknowledges in the order in which it received.
            held.forEach(Mqtt5Publish::acknowledge);
            again.forEach(Mqtt5Publish::acknowledge);
            Check.equal(Endpoint.numbers(0, 5), again.stream().map(Endpoint::text).toList());
            Check.equal(Endpoint.numbers(5, 10), far.take(5));
            far.close();
        }
        expectNothingBut("end", topic);
    }

    private static void sessionExpiry(String topic) throws Exception {
        endpoint.withSessionExpiry(1).consume("brief", topic).close();
        endpoint.withSessionExpiry(1).consume("app", topic).close();
        endpoint.withSessionExpiry(600).consume("app", topic).close();
        TimeUnit.SECONDS.sleep(3);
        endpoint.produce(topic, 0, 3);
        try (var brief = endpoint.consume("brief", topic); var app = endpoint.consume("app", topic)) {
            endpoint.produce(topic, 3, 4);
            Check.equal(List.of("3"), brief.take(1));
            Check.equal(Endpoint.numbers(0, 4), app.take(4));
        }
    }

    private static void noSessionExpiry(String topic) {
        for (long none : new long[] {-1, 0}) {
            var client = endpoint.withSessionExpiry(none);
            client.consume("app", topic).close();
            client.produce(topic, 0, 3);
            expectNothingBut("end" + none, topic);
            // The poll of the line above leaves its subscription, so that the next round needs another application.
            topic += "x";
        }
    }

    private static void messageExpiry(String topic) throws Exception {
        endpoint.consume("app", topic).close();
        endpoint.produce(topic, List.of("gone"), message -> message.messageExpiryInterval(1));
        endpoint.produce(topic, List.of("kept"), message -> message.messageExpiryInterval(100));
        endpoint.produce(topic, List.of("for ever"), message -> message.noMessageExpiry());
        TimeUnit.SECONDS.sleep(2);
        try (var poll = endpoint.consume("app", topic)) {
            List<Mqtt5Publish> found = poll.hold(2);
            Check.equal(List.of("kept", "for ever"), found.stream().map(Endpoint::text).toList());
            long left = found.get(0).getMessageExpiryInterval().orElse(-1);
            Check.that(left > 80 && left <= 98, "an expiry of " + left);
            Check.that(found.get(1).getMessageExpiryInterval().isEmpty(), "an expiry");
        }
    }

    private static void retained(String topic) throws Exception {
        endpoint.produce(topic + "/brief", List.of("1"), message -> message.retain(true).messageExpiryInterval(3));
        endpoint.produce(topic + "/long", List.of("2"), message -> message.retain(true).messageExpiryInterval(100));
        endpoint.produce(topic + "/ever", List.of("3"), message -> message.retain(true));
        Check.equal(List.of("1", "2", "3"), retainedBelow(topic, 3));
        try (var poll = endpoint.consume("app", topic + "/#")) {
            endpoint.produce(topic + "/long", List.of("live"), message -> message);
            Check.equal(List.of("live"), poll.take(1));
        }
        TimeUnit.SECONDS.sleep(4);
        Check.equal(List.of("2", "3"), retainedBelow(topic, 2));
    }

    private static List<String> retainedBelow(String topic, int count) {
        try (var request = endpoint.withSessionExpiry(0).request().subscribe(topic + "/+", true)) {
            List<Mqtt5Publish> found = request.hold(count);
            found.forEach(message -> Check.that(message.isRetain(), "not retained"));
            endpoint.produce(topic + "/end", List.of("end"), message -> message);
            Check.equal("end", Endpoint.text(request.hold()));
            return found.stream().map(Endpoint::text).sorted().toList();
        }
    }

    private static void responseTopic(String topic) {
        byte[] correlation = {0, 1, 2};
        try (var asker = endpoint.withSessionExpiry(0).request().subscribe(topic + "/answer", true);
             var receiver = endpoint.consume("app", topic)) {
            asker.publish(topic, List.of("question"), message -> message
                .responseTopic(topic + "/answer").correlationData(correlation)
                .contentType("text/plain").payloadFormatIndicator(Mqtt5PayloadFormatIndicator.UTF_8)
                .userProperties().add("header", "one").add("header", "two").applyUserProperties());
            Mqtt5Publish question = receiver.hold();
            MqttTopic answerTo = question.getResponseTopic().orElseThrow();
            Check.equal("text/plain", question.getContentType().orElseThrow().toString());
            Check.equal(Mqtt5PayloadFormatIndicator.UTF_8, question.getPayloadFormatIndicator().orElseThrow());
            Check.equal("[(header, one), (header, two)]", question.getUserProperties().asList().toString());
            question.acknowledge();
            ByteBuffer same = question.getCorrelationData().orElseThrow();
            receiver.publish(answerTo.toString(), List.of("answer"), message -> message.correlationData(same));
            Mqtt5Publish answer = asker.hold();
            Check.equal("answer", Endpoint.text(answer));
            Check.equal(ByteBuffer.wrap(correlation), answer.getCorrelationData().orElseThrow());
        }
    }
}
