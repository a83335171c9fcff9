import com.hivemq.client.mqtt.mqtt5.exceptions.Mqtt5ConnAckException;
import com.hivemq.client.mqtt.mqtt5.exceptions.Mqtt5PubAckException;
import com.hivemq.client.mqtt.mqtt5.exceptions.Mqtt5SubAckException;
import com.hivemq.client.mqtt.mqtt5.message.connect.connack.Mqtt5ConnAckReasonCode;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5Publish;
import com.hivemq.client.mqtt.mqtt5.message.publish.puback.Mqtt5PubAckReasonCode;
import com.hivemq.client.mqtt.mqtt5.message.subscribe.suback.Mqtt5SubAckReasonCode;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import io.reactivex.Flowable;
import java.util.List;

/** The gateway with a name: java Login PORT, where ann may do everything and bob nothing. */
final class Login {
    private static Endpoint endpoint;

    public static void main(String[] arguments) {
        endpoint = Endpoint.at(Integer.parseInt(arguments[0]));
        Check.runAll(
            new Check("known", Login::known),
            new Check("wrong-password", topic -> isUnknown(as("ann", "hidden"))),
            new Check("nobody", topic -> isUnknown(endpoint)),
            new Check("may-not-consume", Login::mayNotConsume),
            new Check("may-not-produce", Login::mayNotProduce));
    }

    private static Endpoint as(String name, String password) {
        return endpoint.with(client ->
            client.simpleAuth().username(name).password(password.getBytes()).applySimpleAuth());
    }

    private static void known(String topic) {
        Endpoint ann = as("ann", "secret");
        ann.consume("app", topic).close();
        ann.produce(topic, 0, 10);
        try (var poll = ann.consume("app", topic)) {
            Check.equal(Endpoint.numbers(0, 10), poll.take(10));
        }
    }

    private static void isUnknown(Endpoint unknown) {
        var refusal = (Mqtt5ConnAckException) unknown.refusal().orElseThrow();
        Check.equal(Mqtt5ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, refusal.getMqttMessage().getReasonCode());
    }

    private static void mayNotConsume(String topic) {
        try (var request = as("bob", "hidden").request()) {
            var subscribing = request.client.subscribeWith().topicFilter("$share/app/" + topic).applySubscribe();
            var refusal = (Mqtt5SubAckException) subscribing.ignoreElement().blockingGet();
            Check.equal(List.of(Mqtt5SubAckReasonCode.NOT_AUTHORIZED), refusal.getMqttMessage().getReasonCodes());
        }
    }

    private static void mayNotProduce(String topic) {
        try (var request = as("bob", "hidden").request()) {
            var message = Mqtt5Publish.builder().topic(topic).qos(MqttQos.AT_LEAST_ONCE).build();
            var error = request.client.publish(Flowable.just(message)).blockingFirst().getError().orElseThrow();
            var refusal = (Mqtt5PubAckException) error;
            Check.equal(Mqtt5PubAckReasonCode.NOT_AUTHORIZED, refusal.getMqttMessage().getReasonCode());
        }
    }
}
