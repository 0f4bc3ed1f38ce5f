//! The first bytes of an id as a number.

/// The first 16 bytes of `id`, ordered as ids are where they differ. Compared
/// in their stead, they save a look at where an id lies in memory.
pub(crate) fn id_prefix(id: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = id.len().min(bytes.len());
    bytes[..length].copy_from_slice(&id.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}
