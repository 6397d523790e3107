//! What is driven of the DNS door with any bytes.

use creel_guard::HostName;
use hickory_proto::op::{Message, ResponseCode};

use super::enforce::{encode, reply};
use super::{refuse, see};

/// Whatever comes, every answer can be written and read again; a host name is canonical and below its limits.
pub(crate) fn message(bytes: &[u8]) {
    match see::question(bytes) {
        Ok(question) => {
            if let Some(host) = &question.host {
                assert_eq!(HostName::parse(host.as_str()).as_ref(), Ok(host), "a host name is in its one form");
            }
            assert!(question.as_resolve().name.len() <= 1024, "a name in the record is bounded");
            let answer = encode(&reply(&question, ResponseCode::NXDomain));
            assert!(answer.is_some(), "a question has an answer");
            read_back(answer);
        }
        Err(bad) => {
            bad.as_resolve();
            read_back(refuse::malformed(bytes, &bad));
        }
    }
}

fn read_back(answer: Option<Vec<u8>>) {
    if let Some(answer) = answer {
        assert!(Message::from_vec(&answer).is_ok(), "an answer can be read");
    }
}
