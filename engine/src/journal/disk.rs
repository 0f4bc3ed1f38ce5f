//! Free space under the data directory: intake stops before it runs out.

use std::io;
use std::path::Path;

/// Space on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Available to this user.
    pub available_bytes: u64,
    /// In the whole file system.
    pub total_bytes: u64,
}

impl Space {
    /// The available fraction, 0 to 1; 1 for a file system without a size.
    pub fn free_fraction(&self) -> f64 {
        if self.total_bytes == 0 {
            return 1.0;
        }
        self.available_bytes as f64 / self.total_bytes as f64
    }
}

/// Space on the file system of `dir`.
///
/// # Errors
/// What the system says of `dir`.
pub fn space(dir: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(Space {
        available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_space_and_nowhere_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path()).unwrap();
        assert!(space.total_bytes > 0);
        assert!((0.0..=1.0).contains(&space.free_fraction()), "{space:?}");
        assert!(super::space(&dir.path().join("nowhere")).is_err());
    }

    #[test]
    fn the_fraction_is_of_the_whole() {
        let fraction =
            |available_bytes, total_bytes| Space { available_bytes, total_bytes }.free_fraction();
        assert_eq!(fraction(10, 100), 0.1);
        assert_eq!(fraction(0, 0), 1.0);
    }
}
