//! The upstream messages of the contract's test data.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::support::{parsed, to_bytes, to_json};

const TABLE: &str = include_str!("../../../../proto/testdata/warp_vectors.tsv");

#[test]
fn every_vector_becomes_its_content_and_back() {
    let mut count = 0;
    for line in TABLE.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let &[name, message_type, encoding, payload, content] = columns.as_slice() else { panic!("{line}") };
        let data = match encoding {
            "hex" => (0..payload.len() / 2)
                .map(|place| u8::from_str_radix(&payload[2 * place..2 * place + 2], 16).unwrap())
                .collect(),
            "base64" => STANDARD.decode(payload).unwrap(),
            _ => URL_SAFE.decode(payload).unwrap(),
        };

        assert_eq!(parsed(&to_json(message_type, &data).unwrap()), parsed(content), "{name}");
        assert_eq!(to_bytes(message_type, content).unwrap(), data, "{name}");
        count += 1;
    }
    assert_eq!(count, 16);
}
