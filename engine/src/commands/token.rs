//! The token file that a configuration names, which must be usable.

use crate::config::{Effective, Mistakes};
use crate::http::read_token;

/// Checks it.
///
/// # Errors
/// It cannot be read, or holds no token.
pub(super) fn check(effective: &Effective) -> Result<(), Mistakes> {
    let Some(file) = &effective.config.http.token_file else { return Ok(()) };
    read_token(file).map(drop).map_err(|message| {
        let message = format!("{}: {message}", file.display());
        let mistake = effective.mistake("http.token_file", message);
        Mistakes::of(vec![mistake]).expect("there is one")
    })
}
