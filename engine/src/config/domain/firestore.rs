//! Names of Firestore: databases and collections.

use super::{Domain, Literal, unexpected};

/// A database's full name, or `""` for none.
pub(in crate::config) struct Database;

impl Domain for Database {
    type Value = Option<String>;

    fn expects(&self) -> String {
        "\"projects/PROJECT/databases/DATABASE\", such as \
         \"projects/my-project/databases/(default)\", or \"\" for none"
            .into()
    }

    fn read(&self, literal: &Literal) -> Result<Option<String>, String> {
        let text = literal.text().ok_or_else(|| unexpected(self, literal))?;
        if text.is_empty() {
            return Ok(None);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let named = |name: &str| !name.is_empty() && name.chars().all(plain);
        match text.split('/').collect::<Vec<_>>().as_slice() {
            ["projects", project, "databases", database]
                if named(project) && (*database == "(default)" || named(database)) =>
            {
                Ok(Some(text.to_owned()))
            }
            _ => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &Option<String>) -> String {
        format!("{:?}", value.as_deref().unwrap_or_default())
    }
}

/// The id of a collection at the top of a database.
pub(in crate::config) struct CollectionId;

/// Far below what Firestore takes, so that a document's name fits too.
const COLLECTION_CHARS_MAX: usize = 100;

impl Domain for CollectionId {
    type Value = String;

    fn expects(&self) -> String {
        format!(
            "1 to {COLLECTION_CHARS_MAX} characters of A-Z a-z 0-9 . _ -, but neither \".\", \
             \"..\" nor \"__…__\""
        )
    }

    fn read(&self, literal: &Literal) -> Result<String, String> {
        let text = literal.text().ok_or_else(|| unexpected(self, literal))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let reserved =
            matches!(text, "." | "..") || (text.starts_with("__") && text.ends_with("__"));
        let fits = (1..=COLLECTION_CHARS_MAX).contains(&text.len()) && text.chars().all(plain);
        if fits && !reserved { Ok(text.to_owned()) } else { Err(unexpected(self, literal)) }
    }

    fn write(&self, value: &String) -> String {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("projects/p/databases/(default)", true)]
    #[case("projects/example.com:p-1/databases/live", true)]
    #[case("", true)]
    #[case("(default)", false)]
    #[case("projects/p/databases/", false)]
    #[case("projects/p/databases/d/documents", false)]
    #[case("projects/p /databases/d", false)]
    fn databases(#[case] text: &str, #[case] accepted: bool) {
        let read = Database.read(&Literal::Bare(text.into()));
        assert_eq!(read.is_ok(), accepted);
        if let Ok(value) = read {
            assert_eq!(Database.write(&value), format!("{text:?}"));
        }
    }

    #[rstest]
    #[case("LiveMap", true)]
    #[case("live-map_2.0", true)]
    #[case("", false)]
    #[case("a/b", false)]
    #[case("..", false)]
    #[case("__live__", false)]
    fn collections(#[case] text: &str, #[case] accepted: bool) {
        assert_eq!(CollectionId.read(&Literal::Bare(text.into())).is_ok(), accepted);
    }
}
