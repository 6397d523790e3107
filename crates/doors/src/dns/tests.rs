use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;

use super::see;

fn message(labels: &[Vec<u8>], kind: u16) -> Vec<u8> {
    let mut message = Message::new(1, MessageType::Query, OpCode::Query);
    let name = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap_or_else(|_| Name::root());
    message.add_query(Query::query(name, RecordType::from(kind)));
    message.to_vec().unwrap()
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = see::question(&bytes);
    }

    #[test]
    fn a_damaged_question_never_panics(mut bytes in Just(message(&[b"www".to_vec(), b"origin".to_vec(), b"test".to_vec()], 1)), at in any::<usize>(), byte in any::<u8>()) {
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = see::question(&bytes);
    }

    #[test]
    fn a_name_is_a_host_only_when_its_labels_are(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..5), kind in 1_u16..300) {
        if let Ok(question) = see::question(&message(&labels, kind)) {
            if let Some(host) = &question.host {
                let text: Vec<String> = labels.iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect();
                prop_assert_eq!(host.as_str(), text.join("."));
            }
            // The name in the record is one line of ASCII, whatever the labels hold.
            prop_assert!(question.as_resolve().name.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
        }
    }
}
