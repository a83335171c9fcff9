//! Publishes and subscribes with rumqttc: `cargo run --release --example publish_subscribe [-- HOST PORT]`.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};

const MESSAGES: usize = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let host = arguments.next().unwrap_or_else(|| "localhost".to_owned());
    let port = arguments.next().map_or(Ok(1883), |port| port.parse());
    let done = port.map_err(Into::into).and_then(|port| publish_and_receive(&host, port));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn publish_and_receive(host: &str, port: u16) -> Result<(), Box<dyn Error>> {
    let mut options = MqttOptions::new("rust-example", host, port);
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe("rooms/+/temperature", QoS::AtLeastOnce)?;

    let mut received = 0;
    for event in connection.iter() {
        match event? {
            // The subscription is there: what is published from now on arrives.
            Event::Incoming(Packet::SubAck(_)) => publish(&client)?,
            Event::Incoming(Packet::Publish(message)) => {
                println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
                received += 1;
                if received == MESSAGES {
                    client.disconnect()?;
                }
            }
            Event::Outgoing(rumqttc::Outgoing::Disconnect) => return Ok(()),
            _ => {}
        }
    }
    Err("the connection ended too early".into())
}

fn publish(client: &Client) -> Result<(), rumqttc::ClientError> {
    for number in 1..=MESSAGES {
        let topic = format!("rooms/{number}/temperature");
        client.publish(topic, QoS::AtLeastOnce, false, format!("{} °C", 18 + number))?;
    }
    Ok(())
}
