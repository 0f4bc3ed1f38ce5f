//! Numbers without a unit, and switches.

use super::{Domain, Literal, unexpected, within};

/// A whole number of things, `min..=max`.
pub(in crate::config) struct Count<T> {
    pub(in crate::config) min: T,
    pub(in crate::config) max: T,
}

impl<T> Domain for Count<T>
where
    T: Copy + PartialOrd + std::fmt::Display + TryFrom<i128> + Into<i128>,
{
    type Value = T;

    fn expects(&self) -> String {
        format!("a whole number from {} to {}", self.min, self.max)
    }

    fn read(&self, literal: &Literal) -> Result<T, String> {
        let number = literal
            .digits()
            .and_then(|digits| digits.parse::<i128>().ok())
            .ok_or_else(|| unexpected(self, literal))?;
        let number = within(number, (self.min.into(), self.max.into()), i128::to_string)?;
        T::try_from(number).map_err(|_| unexpected(self, literal))
    }

    fn write(&self, value: &T) -> String {
        value.to_string()
    }
}

/// A share in whole percent, `0..=max`: `10` or `"10%"`.
pub(in crate::config) struct Percent {
    pub(in crate::config) max: u8,
}

impl Domain for Percent {
    type Value = u8;

    fn expects(&self) -> String {
        format!("a percentage from \"0%\" to \"{}%\"", self.max)
    }

    fn read(&self, literal: &Literal) -> Result<u8, String> {
        let digits = match literal {
            Literal::Text(text) => text.strip_suffix('%'),
            Literal::Bare(text) => Some(text.strip_suffix('%').unwrap_or(text)),
            other => other.digits(),
        };
        let percent = digits
            .and_then(|digits| digits.trim().parse::<i128>().ok())
            .ok_or_else(|| unexpected(self, literal))?;
        let percent = within(percent, (0, self.max.into()), |p| format!("\"{p}%\""))?;
        u8::try_from(percent).map_err(|_| unexpected(self, literal))
    }

    fn write(&self, value: &u8) -> String {
        format!("\"{value}%\"")
    }
}

/// On or off.
pub(in crate::config) struct Switch;

impl Domain for Switch {
    type Value = bool;

    fn expects(&self) -> String {
        "true or false".into()
    }

    fn read(&self, literal: &Literal) -> Result<bool, String> {
        match literal {
            Literal::Boolean(value) => Ok(*value),
            Literal::Bare(text) if text == "true" => Ok(true),
            Literal::Bare(text) if text == "false" => Ok(false),
            other => Err(unexpected(self, other)),
        }
    }

    fn write(&self, value: &bool) -> String {
        value.to_string()
    }
}
