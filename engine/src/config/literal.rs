//! A value as it stands in the file, the environment or a flag.

use std::fmt;

use toml::de::DeValue;

/// What somebody wrote, before a domain has judged it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// From the environment, a flag or the table of defaults: text whose type
    /// the domain decides.
    Bare(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer, in decimal; one beyond 64 bits stays readable.
    Integer(String),
    /// A TOML float, date or time as it was written: no setting takes one.
    Other(&'static str, String),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Literal>),
    /// A TOML table where a value was expected.
    Table,
}

impl Literal {
    /// The text of a string, quoted or bare.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Bare(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The digits of an integer, or bare text that may be one.
    pub(super) fn digits(&self) -> Option<&str> {
        match self {
            Self::Bare(text) | Self::Integer(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn of_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(integer) => {
                match i128::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(number) => Self::Integer(number.to_string()),
                    Err(_) => Self::Integer(integer.to_string()),
                }
            }
            DeValue::Float(float) => Self::Other("the float", float.to_string()),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Datetime(datetime) => Self::Other("the date", datetime.to_string()),
            DeValue::Array(items) => {
                Self::List(items.iter().map(|item| Self::of_toml(item.get_ref())).collect())
            }
            DeValue::Table(_) => Self::Table,
        }
    }
}

/// As the object of "found …".
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(text) | Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(digits) => write!(f, "the integer {digits}"),
            Self::Other(what, text) => write!(f, "{what} {text}"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::List(_) => f.write_str("a list"),
            Self::Table => f.write_str("a table"),
        }
    }
}
