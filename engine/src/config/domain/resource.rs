//! Names of things in a cloud project, and settings that can be left to the
//! engine.

use super::{Domain, Literal, unexpected};

/// `projects/PROJECT/<collection>/ID`, or `""` for none.
pub(in crate::config) struct Resource {
    /// `topics`, `subscriptions`.
    pub(in crate::config) collection: &'static str,
}

/// What Pub/Sub asks of a name, as
/// <https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names> has it.
const ID_RULE: &str = "ID has 3 to 255 letters, digits and -_.~+%, begins with a letter, and not \
                       with goog";
const PROJECT_RULE: &str = "PROJECT has 1 to 255 letters, digits and -:.";

/// Why a text is no such name.
pub(super) enum Misnamed {
    /// It is made up in another way.
    Form,
    /// One of its parts breaks this rule.
    Rule(&'static str),
}

impl Misnamed {
    /// The mistake, where `domain` found `literal`.
    pub(super) fn told(&self, domain: &impl Domain, literal: &Literal) -> String {
        let unexpected = unexpected(domain, literal);
        match self {
            Self::Form => unexpected,
            Self::Rule(rule) => format!("{unexpected}: {rule}"),
        }
    }
}

impl Resource {
    pub(super) fn check(&self, name: &str) -> Result<(), Misnamed> {
        let parts: Vec<&str> = name.split('/').collect();
        let ["projects", project, collection, id] = parts.as_slice() else {
            return Err(Misnamed::Form);
        };
        if *collection != self.collection {
            return Err(Misnamed::Form);
        }
        if !is_name(project, 1, |c| "-:.".contains(c)) {
            return Err(Misnamed::Rule(PROJECT_RULE));
        }
        let is_id = is_name(id, 3, |c| "-_.~+%".contains(c))
            && id.starts_with(|c: char| c.is_ascii_alphabetic())
            && !id.starts_with("goog");
        if is_id { Ok(()) } else { Err(Misnamed::Rule(ID_RULE)) }
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
            Some(name) => match self.check(name) {
                Ok(()) => Ok(Some(name.to_owned())),
                Err(misnamed) => Err(misnamed.told(self, literal)),
            },
            None => Err(unexpected(self, literal)),
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
