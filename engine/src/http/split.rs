//! Cuts a body into pings without decoding them, so that one bad ping does
//! not take the others with it. The pieces share the body's memory.

use std::fmt;

use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::answer::Refusal;
use super::body::Layout;

/// The pings of `body`, each as sent, at most `max` of them.
pub(super) fn split(body: &Bytes, layout: Layout, max: usize) -> Result<Vec<Bytes>, Refusal> {
    let pieces = match layout {
        Layout::Json => split_json(body, max)?,
        Layout::Ndjson => split_lines(body, max),
        Layout::ProtobufBatch => split_batch(body, max)?,
        Layout::ProtobufPing => Pieces { kept: vec![body.clone()], count: 1 },
    };
    if pieces.count > max {
        let message = format!("{} pings in one request; send at most {max}", pieces.count);
        return Err(Refusal::too_large("too_many_pings", message));
    }
    Ok(pieces.kept)
}

/// What was found; only the first `max` pieces are kept, the rest counted, so
/// that a body of a million commas costs no more memory than its bytes.
struct Pieces {
    kept: Vec<Bytes>,
    count: usize,
}

impl Pieces {
    fn none() -> Self {
        Self { kept: Vec::new(), count: 0 }
    }

    fn add(&mut self, piece: Bytes, max: usize) {
        self.count += 1;
        if self.count <= max {
            self.kept.push(piece);
        }
    }
}

fn split_json(body: &Bytes, max: usize) -> Result<Pieces, Refusal> {
    let whole = body.trim_ascii();
    match whole.first() {
        None => Err(Refusal::unreadable("body_empty", "the body is empty")),
        Some(b'{') => {
            serde_json::from_slice::<IgnoredAny>(whole).map_err(not_json)?;
            Ok(Pieces { kept: vec![body.slice_ref(whole)], count: 1 })
        }
        Some(b'[') => {
            let mut json = serde_json::Deserializer::from_slice(whole);
            let pieces = json.deserialize_seq(Elements { body, max }).map_err(not_json)?;
            json.end().map_err(not_json)?;
            Ok(pieces)
        }
        Some(_) => match serde_json::from_slice::<IgnoredAny>(whole) {
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

/// Takes the elements of an array as they stand.
struct Elements<'b> {
    body: &'b Bytes,
    max: usize,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Pieces;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of pings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Pieces, A::Error> {
        let mut pieces = Pieces::none();
        while pieces.count < self.max {
            match array.next_element::<&'de RawValue>()? {
                Some(raw) => pieces.add(self.body.slice_ref(raw.get().as_bytes()), self.max),
                None => return Ok(pieces),
            }
        }
        while array.next_element::<IgnoredAny>()?.is_some() {
            pieces.count += 1;
        }
        Ok(pieces)
    }
}

/// Every line that is not blank is a ping, valid or not.
fn split_lines(body: &Bytes, max: usize) -> Pieces {
    let mut pieces = Pieces::none();
    let lines = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    for line in lines.filter(|line| !line.is_empty()) {
        pieces.add(body.slice_ref(line), max);
    }
    pieces
}

/// Field 1 of a `VehiclePingBatch`.
const PINGS_TAG: u32 = 1;

fn split_batch(body: &Bytes, max: usize) -> Result<Pieces, Refusal> {
    let mut pieces = Pieces::none();
    let mut rest = body.clone();
    while rest.has_remaining() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(not_protobuf)?;
        if tag != PINGS_TAG || wire_type != WireType::LengthDelimited {
            // Fields of a later version of the batch.
            skip_field(wire_type, tag, &mut rest, DecodeContext::default())
                .map_err(not_protobuf)?;
            continue;
        }
        let length = decode_varint(&mut rest).map_err(not_protobuf)?;
        match usize::try_from(length) {
            Ok(length) if length <= rest.len() => pieces.add(rest.split_to(length), max),
            _ => return Err(not_protobuf(format!("a ping of {length} bytes runs past the end"))),
        }
    }
    Ok(pieces)
}

fn not_protobuf(error: impl fmt::Display) -> Refusal {
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
    fn json_is_cut_at_its_elements(#[case] body: &'static str, #[case] pieces: &[&str]) {
        assert_eq!(text(body, Layout::Json).unwrap(), pieces);
    }

    #[rstest]
    #[case::empty("", "body_empty")]
    #[case::blank(" \n", "body_empty")]
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
