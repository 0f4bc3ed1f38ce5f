//! The pings of a request's body, or why it has none.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::answer::Refusal;
use super::body::Layout;
use crate::decode::pieces::{Pieces, cut_array, cut_batch, cut_lines, without_byte_order_mark};

/// The pings of `body`, each as sent, at most `max` of them.
pub(super) fn split(body: &Bytes, layout: Layout, max: usize) -> Result<Vec<Bytes>, Refusal> {
    let pieces = match layout {
        Layout::Json => split_json(&without_byte_order_mark(body), max)?,
        Layout::Ndjson => cut_lines(&without_byte_order_mark(body), max),
        Layout::ProtobufBatch => cut_batch(body, max).map_err(not_protobuf)?,
        Layout::ProtobufPing => one(body.clone()),
    };
    if pieces.count > max {
        let message = format!("{} pings in one request; send at most {max}", pieces.count);
        return Err(Refusal::too_large("too_many_pings", message));
    }
    Ok(pieces.kept)
}

fn one(ping: Bytes) -> Pieces {
    Pieces { kept: vec![ping], count: 1 }
}

fn split_json(body: &Bytes, max: usize) -> Result<Pieces, Refusal> {
    let whole = body.slice_ref(body.trim_ascii());
    match whole.first() {
        None => Err(Refusal::unreadable("body_empty", "the body is empty")),
        Some(b'{') => {
            serde_json::from_slice::<IgnoredAny>(&whole).map_err(not_json)?;
            Ok(one(whole))
        }
        Some(b'[') => cut_array(&whole, max).map_err(not_json),
        Some(_) => match serde_json::from_slice::<IgnoredAny>(&whole) {
            Err(error) => Err(not_json(error)),
            Ok(_) => Err(Refusal::unreadable(
                "body_not_pings",
                "the body is neither a JSON object nor an array of them",
            )),
        },
    }
}

fn not_json(error: serde_json::Error) -> Refusal {
    let hint = "; newline-delimited JSON is sent as application/x-ndjson";
    let hint = if error.to_string().starts_with("trailing characters") { hint } else { "" };
    Refusal::unreadable("body_not_json", format!("the body is not valid JSON: {error}{hint}"))
}

fn not_protobuf(error: prost::DecodeError) -> Refusal {
    let message = format!("the body is not a VehiclePingBatch: {error}");
    Refusal::unreadable("body_not_protobuf", message)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use protos::telemetry::{VehiclePing, VehiclePingBatch};
    use rstest::rstest;

    use super::*;

    fn text(body: &'static str, layout: Layout) -> Result<Vec<String>, &'static str> {
        let pieces = split(&Bytes::from_static(body.as_bytes()), layout, 3);
        pieces
            .map(|list| list.iter().map(|p| String::from_utf8(p.to_vec()).unwrap()).collect())
            .map_err(|refusal| refusal.code)
    }

    #[rstest]
    #[case::object(" {\"a\": 1}\n", &["{\"a\": 1}"])]
    #[case::array("[{\"a\":1}, {\"b\": [1, 2]} ,3]", &["{\"a\":1}", "{\"b\": [1, 2]}", "3"])]
    #[case::empty_array("[]", &[])]
    #[case::byte_order_mark("\u{feff}{\"a\": 1}", &["{\"a\": 1}"])]
    #[case::byte_order_mark_of_an_array("\u{feff}[{\"a\": 1}]", &["{\"a\": 1}"])]
    fn json_is_cut_at_its_elements(#[case] body: &'static str, #[case] pieces: &[&str]) {
        assert_eq!(text(body, Layout::Json).unwrap(), pieces);
    }

    #[rstest]
    #[case::empty("", "body_empty")]
    #[case::blank(" \n", "body_empty")]
    #[case::byte_order_mark_alone("\u{feff}", "body_empty")]
    #[case::byte_order_mark_behind("{\"a\": 1}\u{feff}", "body_not_json")]
    #[case::number("17", "body_not_pings")]
    #[case::string("\"ping\"", "body_not_pings")]
    #[case::junk("pings!", "body_not_json")]
    #[case::cut_short("[{\"a\":1},{\"b\":", "body_not_json")]
    #[case::object_cut_short("{\"a\":1", "body_not_json")]
    #[case::two_documents("{\"a\":1}\n{\"a\":2}", "body_not_json")]
    #[case::after_the_array("[1] 2", "body_not_json")]
    #[case::four_of_three("[1,2,3,4]", "too_many_pings")]
    #[case::four_and_cut_short("[1,2,3,4", "body_not_json")]
    fn json_that_cannot_be_read(#[case] body: &'static str, #[case] code: &str) {
        assert_eq!(text(body, Layout::Json), Err(code));
    }

    #[test]
    fn lines_are_cut_whatever_they_hold() {
        let lines = text("{\"a\":1}\r\n\n  junk \n{\"b\":2}", Layout::Ndjson).unwrap();
        assert_eq!(lines, ["{\"a\":1}", "junk", "{\"b\":2}"]);
        assert_eq!(text("1\n2\n3\n\n", Layout::Ndjson).unwrap().len(), 3);
        assert_eq!(text("1\n2\n3\n4", Layout::Ndjson), Err("too_many_pings"));
        assert_eq!(text("", Layout::Ndjson).unwrap().len(), 0);
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("[{}{}]", "[".repeat(200_000), "]".repeat(200_000));
        let _ = split(&Bytes::from(deep), Layout::Json, 3);
    }

    fn batch(n: usize) -> Vec<u8> {
        let ping = |i| VehiclePing { vehicle_id: format!("v{i}"), ..VehiclePing::default() };
        VehiclePingBatch { pings: (0..n).map(ping).collect() }.encode_to_vec()
    }

    #[test]
    fn batches_are_cut_at_their_pings_and_later_fields_are_skipped() {
        let mut body = batch(2);
        body.extend([0x78, 0x01]); // field 15, varint
        body.extend(batch(1));
        let pieces = split(&body.into(), Layout::ProtobufBatch, 3).unwrap();
        let ids: Vec<String> =
            pieces.into_iter().map(|p| VehiclePing::decode(p).unwrap().vehicle_id).collect();
        assert_eq!(ids, ["v0", "v1", "v0"]);
        let too_many = split(&batch(4).into(), Layout::ProtobufBatch, 3).unwrap_err();
        assert_eq!(too_many.code, "too_many_pings");
    }

    #[test]
    fn a_batch_cut_short_anywhere_inside_a_ping_is_unreadable() {
        let body = batch(1);
        for length in 1..body.len() {
            let cut = Bytes::copy_from_slice(&body[..length]);
            let refusal = split(&cut, Layout::ProtobufBatch, 3).unwrap_err();
            assert_eq!(refusal.code, "body_not_protobuf", "at {length}");
        }
    }
}
