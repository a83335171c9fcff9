import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.logging.LogManager;
import org.eclipse.paho.mqttv5.client.MqttClient;
import org.eclipse.paho.mqttv5.client.persist.MemoryPersistence;
import org.eclipse.paho.mqttv5.common.MqttMessage;

/** Puts a broker through its paces with Paho's MQTT 5 client: java Paho PORT. */
final class Paho {
    public static void main(String[] arguments) {
        LogManager.getLogManager().reset();
        String port = arguments[0];
        Check.runAll(
            new Check("tcp", name -> allQos("tcp://localhost:" + port, name)),
            new Check("websocket", name -> allQos("ws://localhost:" + port, name)));
    }

    private static void allQos(String uri, String topic) throws Exception {
        var inbox = new LinkedBlockingQueue<MqttMessage>();
        MqttClient client = new MqttClient(uri, topic, new MemoryPersistence());
        client.setCallback(new Received(inbox));
        client.connect();
        for (int qos = 0; qos <= 2; qos++) {
            client.subscribe(topic, qos);
            for (int sent = 0; sent <= 2; sent++) {
                client.publish(topic, new byte[] {(byte) sent}, sent, false);
                MqttMessage found = inbox.poll(Endpoint.PATIENCE_SECONDS, TimeUnit.SECONDS);
                MqttMessage message = Check.present(found, "nothing came");
                Check.equal(Math.min(qos, sent), message.getQos());
                Check.equal(sent, (int) message.getPayload()[0]);
            }
        }
        client.disconnect();
        client.close();
    }
}
