//! What is wrong of single things, in words.

use super::again::Again;
use crate::content::{Content, Difference};
use crate::dials::{CODES, malformed_mark};
use crate::read::{Altered, Letter};
use crate::truth::{Names, vehicle_id, vehicle_number};

/// Rows of the archive with other content than was sent: which, and what of it.
pub(super) fn altered(found: &[Altered], names: &Names, again: Again<'_>) -> Vec<String> {
    let sent = again.pings(found.iter().map(|row| (row.vehicle, row.seq)).collect());
    let example = |row: &Altered| {
        let ping = sent.get(&(row.vehicle, row.seq)).map(Content::of);
        let of_ping = ping.map(|ping| ping.differences(&row.content, names.start_ms));
        let differences = of_ping.iter().flatten().chain(&row.wrong);
        let said: Vec<String> = differences.map(Difference::to_string).collect();
        let said = match said.is_empty() {
            true => format!("is not as it was sent: {:?}", row.content),
            false => said.join(", "),
        };
        format!("{} seq {}: {said}", vehicle_id(&names.prefix, row.vehicle), row.seq)
    };
    found.iter().map(example).collect()
}

/// Dead letters of what was not sent: which, and what of it.
pub(super) fn letters(found: &[Letter], names: &Names, again: Again<'_>) -> Vec<String> {
    let key = |letter: &Letter| key_of(&letter.payload, &names.prefix);
    let pings = again.pings(found.iter().filter_map(key).collect());
    let example = |letter: &Letter| {
        let Letter { reason, payload } = letter;
        let ping = key(letter).and_then(|key| pings.get(&key));
        let sent = ping.and_then(|ping| Some((ping, again.malformed(ping, names)?)));
        let Some((ping, (code, bytes))) = sent else {
            return format!("{reason}: no such message was sent, of {} bytes", payload.len());
        };
        let reason = Difference::between("reason", Some(CODES[code]), Some(reason));
        let said = reason.map(|it| it.to_string()).into_iter().chain(difference(&bytes, payload));
        let vehicle = vehicle_id(&names.prefix, ping.vehicle);
        format!("{vehicle} seq {}: {}", ping.seq, said.collect::<Vec<_>>().join(", "))
    };
    found.iter().map(example).collect()
}

/// The vehicle and the seq that name a malformed message of the run. What follows
/// the name in a message that can be decoded is no digit.
fn key_of(payload: &[u8], prefix: &str) -> Option<(u32, u32)> {
    let mark = malformed_mark(prefix);
    let at = payload.windows(mark.len()).position(|bytes| bytes == mark.as_bytes())?;
    let name = &payload[at + "bad-".len()..];
    let vehicle_end = prefix.len() + name[prefix.len()..].iter().position(|byte| *byte == b'-')?;
    let (vehicle, seq) = (&name[..vehicle_end], &name[vehicle_end + 1..]);
    let digits = seq.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some((vehicle_number(prefix, text(vehicle)?)?, text(&seq[..digits])?.parse().ok()?))
}

/// Where the bytes found begin to be others than were sent.
fn difference(sent: &[u8], found: &[u8]) -> Option<String> {
    let common = sent.iter().zip(found).take_while(|(sent, found)| sent == found).count();
    let byte = |of: &[u8]| of.get(common).map_or("none".to_owned(), |byte| format!("{byte:#04x}"));
    (sent != found).then(|| {
        let (lengths, due) = ((sent.len(), found.len()), byte(sent));
        let is = byte(found);
        format!(
            "byte {common} must be {due} and is {is}; {} bytes were sent, {} are there",
            lengths.0, lengths.1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::stream::{Deliveries as _, Stream, What};
    use crate::wire::Encoder;

    #[test]
    fn a_letter_is_told_by_what_its_message_was() {
        let mut profile = Profile::load("smoke").unwrap();
        profile.malformed.share = 0.2;
        let world = profile.world(None).unwrap();
        let names = Names { start_ms: 1_767_592_800_000, prefix: "a-".into() };
        let (mut stream, mut encoder) = (Stream::new(&world), Encoder::new(names.start_ms, "a-"));
        let mut looked_at = 0;
        while let Some(delivery) = stream.next(&mut |_| {}).filter(|_| looked_at < 20) {
            let What::Malformed(code) = delivery.what else { continue };
            looked_at += 1;
            let mut payload = Vec::new();
            encoder.protobuf(&delivery, &mut payload);
            let told = |reason: &str, payload: &[u8]| {
                let letter = Letter { reason: reason.into(), payload: payload.to_vec() };
                letters(&[letter], &names, Again::World(&world)).remove(0)
            };
            let ping = delivery.ping;
            let of = format!("{} seq {}: ", vehicle_id("a-", ping.vehicle), ping.seq);
            assert_eq!(told(CODES[code], &payload), of.clone(), "nothing of it is another");
            let other = format!("reason must be {} and is too_late", CODES[code]);
            assert_eq!(told("too_late", &payload), of.clone() + &other);
            let mut changed = payload.clone();
            changed[0] ^= 1;
            let said = told(CODES[code], &changed);
            assert!(said.starts_with(&format!("{of}byte 0 must be 0x")), "{said}");
        }
        assert_eq!(looked_at, 20);
        let cut = difference(b"abc", b"ab");
        let expected = "byte 2 must be 0x63 and is none; 3 bytes were sent, 2 are there";
        assert_eq!(cut.as_deref(), Some(expected));
        let none =
            Letter { reason: "undecodable".into(), payload: b"bad-a-v0000001-9999999".to_vec() };
        let said = letters(&[none], &names, Again::World(&world));
        assert_eq!(said, ["undecodable: no such message was sent, of 22 bytes"]);
    }
}
