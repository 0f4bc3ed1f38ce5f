//! Names of things in a cloud project, and settings that can be left to the
//! engine.

use super::{Domain, Literal, unexpected};

/// `projects/PROJECT/<collection>/ID`, or `""` for none.
pub(in crate::config) struct Resource {
    /// `topics`, `subscriptions`.
    pub(in crate::config) collection: &'static str,
}

impl Resource {
    pub(super) fn fits(&self, name: &str) -> bool {
        let parts: Vec<&str> = name.split('/').collect();
        let [projects, project, collection, id] = parts.as_slice() else { return false };
        *projects == "projects"
            && *collection == self.collection
            && is_name(project, 1, |c| c == '-' || c == ':' || c == '.')
            && is_name(id, 3, |c| "-_.~+%".contains(c))
            && id.starts_with(|c: char| c.is_ascii_alphabetic())
            && !id.starts_with("goog")
    }
}

/// Letters, digits and what `other` allows, `min` to 255 of them.
fn is_name(text: &str, min: usize, other: impl Fn(char) -> bool) -> bool {
    (min..=255).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || other(c))
}

impl Domain for Resource {
    type Value = Option<String>;

    fn expects(&self) -> String {
        format!("\"projects/PROJECT/{}/ID\", or \"\" for none", self.collection)
    }

    fn read(&self, literal: &Literal) -> Result<Option<String>, String> {
        match literal.text() {
            Some("") => Ok(None),
            Some(name) if self.fits(name) => Ok(Some(name.to_owned())),
            _ => Err(unexpected(self, literal)),
        }
    }

    fn write(&self, value: &Option<String>) -> String {
        format!("{:?}", value.as_deref().unwrap_or_default())
    }
}

/// What `D` accepts, or `"auto"`: the engine chooses.
pub(in crate::config) struct Auto<D>(pub(in crate::config) D);

impl<D: Domain> Domain for Auto<D> {
    type Value = Option<D::Value>;

    fn expects(&self) -> String {
        format!("\"auto\" or {}", self.0.expects())
    }

    fn read(&self, literal: &Literal) -> Result<Self::Value, String> {
        match literal.text() {
            Some("auto") => Ok(None),
            // An error about the value's type must name "auto" too; one about
            // its size stands.
            _ => self.0.read(literal).map(Some).map_err(|error| {
                if error.starts_with("expected ") { unexpected(self, literal) } else { error }
            }),
        }
    }

    fn write(&self, value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| "\"auto\"".into(), |value| self.0.write(value))
    }
}
