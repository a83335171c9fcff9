//! rumqttc in MQTT 3.1.1 and 5.

use super::support::broker::Instance;
use super::support::process::PATIENCE;

const MESSAGES: u8 = 30;

/// The same tests for both of its modules, whose types are not the same.
macro_rules! tests {
    ($version:ident, $library:path, $packets:path, $qos:path, $keep:expr) => {
        mod $version {
            use super::{Instance, MESSAGES, PATIENCE};
            use $library::{Client, Connection, Event, MqttOptions};
            use $packets::{Packet, Publish};
            use $qos as QoS;

            const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

            fn open(id: &str, port: u16, is_kept: bool) -> (Client, Connection) {
                let mut options = MqttOptions::new(id, "localhost", port);
                if is_kept {
                    $keep(&mut options);
                }
                let (client, mut connection) = Client::new(options, 100);
                next(&mut connection, |packet| matches!(packet, Packet::ConnAck(_)).then_some(()));
                (client, connection)
            }

            #[track_caller]
            fn next<T>(connection: &mut Connection, wanted: impl Fn(Packet) -> Option<T>) -> T {
                loop {
                    let event = connection.recv_timeout(PATIENCE).expect("an event").expect("a connection");
                    if let Event::Incoming(packet) = event
                        && let Some(found) = wanted(packet)
                    {
                        return found;
                    }
                }
            }

            fn message(packet: Packet) -> Option<Publish> {
                if let Packet::Publish(message) = packet { Some(message) } else { None }
            }

            fn is_subscribed(packet: Packet) -> Option<()> {
                matches!(packet, Packet::SubAck(_)).then_some(())
            }

            fn leave(client: &Client, connection: &mut Connection) {
                client.disconnect().unwrap();
                while connection.recv_timeout(PATIENCE).expect("an end").is_ok() {}
            }

            #[test]
            fn every_qos() {
                let instance = Instance::new();
                let broker = instance.start();
                let (client, mut connection) = open("every", broker.port(), false);
                for qos in ALL {
                    client.subscribe("r/t", qos).unwrap();
                    next(&mut connection, is_subscribed);
                    for sent in ALL {
                        client.publish("r/t", sent, false, "payload").unwrap();
                        let found = next(&mut connection, message);
                        assert_eq!(found.qos as u8, (qos as u8).min(sent as u8));
                        assert_eq!(found.payload[..], *b"payload");
                    }
                }
            }

            #[test]
            fn a_kept_session_gets_what_it_missed() {
                let instance = Instance::new();
                let broker = instance.start();
                let (client, mut connection) = open("kept", broker.port(), true);
                client.subscribe("r/missed", QoS::ExactlyOnce).unwrap();
                next(&mut connection, is_subscribed);
                leave(&client, &mut connection);
                let (other, mut others) = open("other", broker.port(), false);
                for number in 0..MESSAGES {
                    other.publish("r/missed", QoS::AtLeastOnce, false, vec![number]).unwrap();
                    next(&mut others, |packet| matches!(packet, Packet::PubAck(_)).then_some(()));
                }
                let (_client, mut connection) = open("kept", broker.port(), true);
                for number in 0..MESSAGES {
                    assert_eq!(next(&mut connection, message).payload[..], [number]);
                }
            }
        }
    };
}

tests!(v4, rumqttc, rumqttc, rumqttc::QoS, |options: &mut MqttOptions| {
    options.set_clean_session(false);
});
tests!(v5, rumqttc::v5, rumqttc::v5::mqttbytes::v5, rumqttc::v5::mqttbytes::QoS, |options: &mut MqttOptions| {
    options.set_clean_start(false).set_session_expiry_interval(Some(600));
});
