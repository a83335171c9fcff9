//! Records on their way to bytes and back.

use super::*;

#[test]
fn records_come_back_and_damage_is_told() {
    let record = WillRecord {
        client_id: "c1".into(),
        posting: Posting {
            address: "a.b".into(),
            payload: Bytes::from_static(b"gone"),
            properties: Some(Box::new(Properties {
                payload_is_text: Some(true),
                correlation: Some([1, 2].into()),
                user: vec![("k".into(), "v".into())],
                ..Properties::default()
            })),
            guarantee: Guarantee::ExactlyOnce,
            retain: true,
            lifetime_ms: Some(5000),
        },
        delay_ms: 3,
        due: None,
        owner: Trailing(OwnerRecord { user: "u".into(), roles: vec!["r".into()], rights: RightsRecord::default() }),
    };
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    assert_eq!(WillRecord::from_bytes(&bytes).expect("whole"), record);
    // Earlier versions did not write whose it is.
    let mut owner = Vec::new();
    record.owner.write(&mut owner);
    let without_owner = bytes.len() - owner.len();
    let earlier = WillRecord::from_bytes(&bytes[..without_owner]).expect("whole");
    assert_eq!(earlier, WillRecord { owner: Trailing::default(), ..record });
    for length in (0..bytes.len()).filter(|length| *length != without_owner) {
        assert!(WillRecord::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    bytes.push(0);
    assert!(WillRecord::from_bytes(&bytes).is_err());
}

#[test]
fn mosquitto_2_0_records_that_are_damaged_are_errors() {
    let mut record = Vec::new();
    EntryRecord { message: 1, guarantee: Guarantee::ExactlyOnce, keep_retain: true, retained: false, tags: vec![7] }
        .write(&mut record);
    for at in 0..record.len() {
        for value in 0..=255 {
            let mut damaged = record.clone();
            damaged[at] = value;
            // Whatever it is taken for, nothing is reserved that is not there.
            let _ = ClientRecord::from_bytes(&damaged);
            let _ = SubscriptionRecord::from_bytes(&damaged);
            let _ = MessageRecord::from_bytes(&damaged);
            let _ = WillRecord::from_bytes(&damaged);
            let _ = QueueRecord::from_bytes(&damaged);
            let _ = OutgoingRecord::from_bytes(&damaged);
            let _ = EntryRecord::from_bytes(&damaged);
        }
    }
    assert!(EntryRecord::from_bytes(&[0xFF; 64]).is_err() && MessageRecord::from_bytes(&[0xFF; 64]).is_err());
}

#[test]
fn records_of_clients_without_rights_are_read() {
    let record = ClientRecord {
        client_id: "c1".into(),
        owner: "ann".into(),
        roles: vec!["amq".into()],
        queue: 1,
        expiry: 2,
        left: None,
        rights: Trailing::default(),
    };
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    let rights = size_of::<[u32; 2]>() + 2;
    assert_eq!(ClientRecord::from_bytes(&bytes[..bytes.len() - rights]).expect("an earlier record"), record);
    assert_eq!(ClientRecord::from_bytes(&bytes).expect("whole"), record);
}

#[test]
fn keys_sort_by_kind_then_number() {
    let keys = [Key::entry(1, 2), Key::entry(1, 300), Key::entry(2, 1), Key::outgoing(0, 0)];
    assert!(keys.is_sorted_by_key(|key| key.as_bytes().to_vec()));
    assert_eq!(Key::numbers(keys[1].as_bytes()), (1, 300));
}
