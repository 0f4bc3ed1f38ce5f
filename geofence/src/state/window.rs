//! The fixes of a window, written without a message for each: they are most
//! of a state.

use crate::fix::Fix;
use crate::window::Window;

/// The field `window` of `CoreVehicle`, and its wire type.
const WINDOW: u8 = 5 << 3 | LENGTH_DELIMITED;
/// Wire types.
const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;
const FIXED_32: u8 = 5;
/// Longest encoded `CoreFix`: 18 bytes of identity, 11 for each of two times
/// and the sequence number, 6 for each coordinate, 5 for each of two numbers, 2.
const FIX_BYTES_MAX: usize = 18 + 3 * 11 + 2 * 6 + 2 * 5 + 2;
/// So its length is one byte.
const _: () = assert!(FIX_BYTES_MAX < 128);

/// Appends the window's fixes as the vehicle's message has them.
pub(super) fn encode(window: &Window, out: &mut Vec<u8>) {
    for fix in window.fixes() {
        let encoded = Encoded::of(&fix);
        out.extend([WINDOW, encoded.length as u8]);
        out.extend_from_slice(&encoded.bytes[..encoded.length]);
    }
}

/// An encoded `CoreFix`. What is 0 is left out where that is what is read
/// without it.
struct Encoded {
    bytes: [u8; FIX_BYTES_MAX],
    length: usize,
}

impl Encoded {
    fn of(fix: &Fix) -> Self {
        let mut encoded = Self { bytes: [0; FIX_BYTES_MAX], length: 0 };
        let identity = fix.identity.0.to_be_bytes();
        encoded.push([1 << 3 | LENGTH_DELIMITED, identity.len() as u8]);
        encoded.push(identity);
        encoded.push_integer(2, zigzag(fix.t.0));
        encoded.push_integer(3, zigzag(fix.received.0.wrapping_sub(fix.t.0)));
        encoded.push_integer(4, fix.seq);
        encoded.push_integer(5, zigzag(fix.position.lat.into()));
        encoded.push_integer(6, zigzag(fix.position.lon.into()));
        encoded.push_number(7, fix.accuracy.get());
        encoded.push_number(8, fix.speed_mps.get());
        if let Some(engine) = fix.engine {
            encoded.push([9 << 3 | VARINT, engine.into()]);
        }
        encoded
    }

    #[inline]
    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.length..][..N].copy_from_slice(&bytes);
        self.length += N;
    }

    #[inline]
    fn push_integer(&mut self, field: u8, mut value: u64) {
        if value == 0 {
            return;
        }
        self.push([field << 3 | VARINT]);
        while value >= 0x80 {
            self.push([value as u8 | 0x80]);
            value >>= 7;
        }
        self.push([value as u8]);
    }

    #[inline]
    fn push_number(&mut self, field: u8, number: Option<f32>) {
        if let Some(number) = number {
            self.push([field << 3 | FIXED_32]);
            self.push(number.to_le_bytes());
        }
    }
}

/// A signed number such that small ones of either sign are small.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use protos::journal::CoreVehicle;

    use super::*;
    use crate::state::machine;
    use crate::{Identity, Position, TimeMs};

    fn any_fix() -> impl Strategy<Value = Fix> {
        let number = || prop::option::of(prop_oneof![Just(0.0_f32), any::<f32>()]);
        let ms = || prop_oneof![Just(0), any::<i64>(), 1_700_000_000_000..1_800_000_000_000_i64];
        (
            (any::<u128>(), ms(), ms(), prop_oneof![Just(0), any::<u64>()]),
            (prop_oneof![Just(0), any::<i32>()], prop_oneof![Just(0), any::<i32>()]),
            (number(), number(), prop::option::of(any::<bool>())),
        )
            .prop_map(
                |((identity, t, received, seq), (lat, lon), (accuracy, speed, engine))| Fix {
                    identity: Identity(identity),
                    t: TimeMs(t),
                    received: TimeMs(received),
                    seq,
                    position: Position { lat, lon },
                    accuracy: accuracy.into(),
                    speed_mps: speed.into(),
                    engine,
                },
            )
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_messages(mut fixes in prop::collection::vec(any_fix(), 0..20)) {
            fixes.sort_by_key(|fix| fix.t);
            let window = Window::restore(fixes.iter().copied());
            let messages = fixes.iter().map(machine::encode_fix).collect();
            let vehicle = CoreVehicle { window: messages, ..CoreVehicle::default() };
            let mut bytes = Vec::new();
            encode(&window, &mut bytes);
            prop_assert_eq!(bytes, vehicle.encode_to_vec());
        }
    }
}
