//! UTF-8 strings, topic names and topic filters.

use artemis_rs::protocol::mqtt::codec::{
    Packet, Version, decode, encode_subscribe, filter_is_valid, topic::has_wildcard, topic_is_valid,
};
use artemis_rs::protocol::mqtt::{Bounds, topic::LEVELS_MAX};

use super::standard;

pub fn fuzz(data: &[u8]) {
    let long;
    // Lengths around the limits are out of reach otherwise.
    let data = match data.split_first() {
        Some((&0xFF, [count, unit @ ..])) if !unit.is_empty() => {
            long = unit.repeat(65_530 / unit.len() + usize::from(*count) / 16);
            &long
        }
        _ => data,
    };
    if let Ok(text) = std::str::from_utf8(data) {
        rules(text);
    }
    if data.len() <= usize::from(u16::MAX) {
        wire(data);
    }
}

/// Rules on text that is known to be UTF-8.
fn rules(text: &str) {
    assert_eq!(topic_is_valid(text), standard::is_topic(text), "{text:?}");
    assert_eq!(filter_is_valid(text), standard::is_filter(text), "{text:?}");
    assert_eq!(has_wildcard(text), text.contains(['+', '#']), "{text:?}");
    assert_eq!(Bounds::default().admits_topic(text), text.split('/').count() <= LEVELS_MAX, "{} bytes", text.len());
    assert!(!topic_is_valid(text) || filter_is_valid(text), "{text:?}");
}

/// The same text as a topic and as a filter on the wire.
fn wire(bytes: &[u8]) {
    let string = [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let text = standard::string(bytes);
    let published = standard::frame(0x30, &string);
    match decode(&published, Version::V4) {
        Ok(Packet::Publish(packet)) => assert_eq!((Some(packet.topic), packet.payload), (text, &b""[..])),
        Ok(other) => panic!("{other:?}"),
        Err(_) => assert!(!text.is_some_and(standard::is_topic), "{text:?} was refused"),
    }
    let subscribed = standard::frame(0x82, &[&[0, 7], &string[..], &[1]].concat());
    match decode(&subscribed, Version::V4) {
        Ok(Packet::Subscribe(packet)) => {
            let filters: Vec<_> = packet.filters.iter().collect();
            assert_eq!(filters.iter().map(|(filter, _)| Some(*filter)).collect::<Vec<_>>(), [text]);
            let mut again = Vec::new();
            encode_subscribe(7, packet.properties, &filters, Version::V4, &mut again);
            assert_eq!(again, subscribed);
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => assert_eq!(text, None),
    }
}
