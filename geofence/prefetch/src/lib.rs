//! Asks the processor for memory before it is read.
//!
//! A read that misses the caches holds up all that comes after it, once a few
//! hundred instructions wait behind it; a request does not. Where the places
//! are known some time ahead, what would have been waited for comes while
//! something else is worked on.
//!
//! The crate stands by itself because the instruction can be had from `unsafe`
//! alone, which all other crates forbid.

/// Bytes that come at once, on the processors there are requests for.
const LINE: usize = 64;

/// Asks for all lines of `value` itself, not of what it points to. A hint:
/// nothing depends on it, and on processors other than x86-64 it does nothing.
#[inline(always)]
pub fn lines_of<T: ?Sized>(value: &T) {
    let (first, bytes) = (std::ptr::from_ref(value).cast::<u8>(), size_of_val(value));
    if bytes == 0 {
        return;
    }
    for offset in (0..bytes).step_by(LINE) {
        line_at(first.wrapping_add(offset));
    }
    // Unless the value begins where a line does, its last byte lies in one more.
    line_at(first.wrapping_add(bytes - 1));
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn line_at(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction is of every x86-64 processor, changes nothing a
    // program can see, and does not fault, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn line_at(_address: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_size_may_be_asked_for() {
        let bytes = [7_u8; 4 * LINE];
        for from in 0..=LINE {
            for len in [0, 1, LINE - 1, LINE, LINE + 1, 3 * LINE] {
                lines_of(&bytes[from..][..len]);
            }
        }
        lines_of(&());
        lines_of("text");
        assert_eq!(bytes, [7; 4 * LINE]);
    }
}
