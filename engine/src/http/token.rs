//! The bearer token that lets a client change fences.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, StatusCode, header};
use tracing::error;

use super::answer::Refusal;

/// Shortest token, characters: what 12 random bytes in Base64 have.
const TOKEN_CHARS_MIN: usize = 16;

/// Reads the token in `file`; white space around it does not count.
///
/// # Errors
/// The file cannot be read, or holds no token of at least 16 visible ASCII
/// characters; in words that follow the file's name.
pub fn read_token(file: &Path) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
    let token = text.trim();
    if token.len() < TOKEN_CHARS_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "holds no token: at least {TOKEN_CHARS_MIN} visible ASCII characters on one line are \
             needed, such as `openssl rand -hex 32` writes"
        ));
    }
    Ok(token.to_owned())
}

/// Lets a request pass that bears the token in `file`.
///
/// # Errors
/// 403 where there is no `file`, 401 for another token or none.
pub(super) async fn authorise(file: Option<&PathBuf>, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(file) = file else {
        let message = "fences and tags cannot be changed over HTTP here: set http.token_file to a \
                       file with a token and send it as `Authorization: Bearer TOKEN`";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "changes_disabled", message));
    };
    let path = file.clone();
    // Read at each use, so that a token can be exchanged under a running worker.
    let token = match tokio::task::spawn_blocking(move || read_token(&path)).await {
        Ok(Ok(token)) => token,
        Ok(Err(error)) => {
            error!(file = %file.display(), %error, "http.token_file cannot be used");
            let message = "the token to compare with cannot be read: the worker's log says why";
            return Err(Refusal::unavailable("token_unreadable", message).retry_after(5));
        }
        Err(_) => return Err(Refusal::unavailable("token_unreadable", "the worker is ending")),
    };
    match bearer(headers) {
        Some(given) if is_same(given.as_bytes(), token.as_bytes()) => Ok(()),
        Some(_) => Err(unauthorised("token_wrong", "this is not the token in http.token_file")),
        None => {
            let message = "send the token in http.token_file as `Authorization: Bearer TOKEN`";
            Err(unauthorised("token_missing", message))
        }
    }
}

fn unauthorised(code: &'static str, message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, code, message)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares in a time that depends on the lengths alone.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    a.len() == b.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_token_is_one_line_of_visible_characters() {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("token");
        fs::write(&file, "  0123456789abcdef\n").unwrap();
        assert_eq!(read_token(&file).unwrap(), "0123456789abcdef");
        for bad in ["", "\n", "0123456789abcde", "0123456789 abcdef", "0123456789äbcdef", "a\nb\n"]
        {
            fs::write(&file, bad).unwrap();
            assert!(read_token(&file).unwrap_err().starts_with("holds no token"), "{bad:?}");
        }
        assert!(read_token(directory.path()).unwrap_err().starts_with("cannot be read"));
    }

    #[test]
    fn only_the_same_bytes_are_the_same() {
        assert!(is_same(b"abc", b"abc"));
        for other in ["", "ab", "abcd", "abd", "Abc"] {
            assert!(!is_same(b"abc", other.as_bytes()), "{other}");
        }
    }
}
