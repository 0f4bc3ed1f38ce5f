//! From text to [`Query`].

use super::{Parameters, Scalar};

/// A query of the form that is answered.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) selected: Selected,
    pub(super) table: String,
    pub(super) conditions: Vec<Condition>,
}

/// What is selected, with names where they are given.
#[derive(Debug, PartialEq)]
pub(super) enum Selected {
    Aggregates(Vec<(Aggregate, Option<String>)>),
    Columns(Vec<(String, Option<String>)>),
}

#[derive(Debug, PartialEq)]
pub(super) enum Aggregate {
    CountRows,
    Count(String),
    CountDistinct(String),
    Min(String),
    Max(String),
}

#[derive(Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) column: String,
    pub(super) operator: Operator,
    pub(super) value: Scalar,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A word, or what stood in backticks.
    Word(String),
    Number(i64),
    Text(String),
    Parameter(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 11] = ["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ",", "*"];

/// Reads a query; the error names what is not understood.
pub(super) fn query(sql: &str, parameters: &Parameters) -> Result<Query, String> {
    let tokens = tokens(sql.trim().trim_end_matches(';'))?;
    Parser { tokens: tokens.into_iter().peekable(), parameters }.query()
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    parameters: &'a Parameters,
}

impl Parser<'_> {
    fn query(mut self) -> Result<Query, String> {
        self.keyword("SELECT")?;
        let selected = self.selected()?;
        self.keyword("FROM")?;
        let table = self.word()?;
        let mut conditions = Vec::new();
        if self.takes_keyword("WHERE") {
            conditions.push(self.condition()?);
            while self.takes_keyword("AND") {
                conditions.push(self.condition()?);
            }
        }
        match self.tokens.next() {
            None => Ok(Query { selected, table, conditions }),
            Some(token) => Err(unexpected(&token)),
        }
    }

    /// Aggregates or columns: which of them, the first word's follower tells.
    fn selected(&mut self) -> Result<Selected, String> {
        let first = self.word()?;
        if self.takes_symbol("(") {
            let mut aggregates = vec![(self.aggregate(&first)?, self.name()?)];
            while self.takes_symbol(",") {
                let function = self.word()?;
                self.symbol("(")?;
                aggregates.push((self.aggregate(&function)?, self.name()?));
            }
            return Ok(Selected::Aggregates(aggregates));
        }
        let mut columns = vec![(first, self.name()?)];
        while self.takes_symbol(",") {
            columns.push((self.word()?, self.name()?));
        }
        Ok(Selected::Columns(columns))
    }

    fn name(&mut self) -> Result<Option<String>, String> {
        let is_from = |token: &Token| is_keyword(token, "FROM");
        let named = self.takes_keyword("AS")
            || matches!(self.tokens.peek(), Some(token @ Token::Word(_)) if !is_from(token));
        if named { Ok(Some(self.word()?)) } else { Ok(None) }
    }

    fn aggregate(&mut self, function: &str) -> Result<Aggregate, String> {
        let function = function.to_ascii_uppercase();
        let aggregate = match function.as_str() {
            "COUNT" if self.takes_symbol("*") => Aggregate::CountRows,
            "COUNT" if self.takes_keyword("DISTINCT") => Aggregate::CountDistinct(self.word()?),
            "COUNT" => Aggregate::Count(self.word()?),
            "MIN" => Aggregate::Min(self.word()?),
            "MAX" => Aggregate::Max(self.word()?),
            _ => return Err(format!("unknown function {function}")),
        };
        self.symbol(")")?;
        Ok(aggregate)
    }

    fn condition(&mut self) -> Result<Condition, String> {
        let column = self.word()?;
        let operator = match self.tokens.next() {
            Some(Token::Symbol("=")) => Operator::Equal,
            Some(Token::Symbol("!=" | "<>")) => Operator::NotEqual,
            Some(Token::Symbol("<")) => Operator::Less,
            Some(Token::Symbol("<=")) => Operator::LessOrEqual,
            Some(Token::Symbol(">")) => Operator::Greater,
            Some(Token::Symbol(">=")) => Operator::GreaterOrEqual,
            other => return Err(format!("no comparison after {column}: {other:?}")),
        };
        Ok(Condition { column, operator, value: self.value()? })
    }

    fn value(&mut self) -> Result<Scalar, String> {
        match self.tokens.next() {
            Some(Token::Number(number)) => Ok(Scalar::Integer(number)),
            Some(Token::Text(text)) => Ok(Scalar::Text(text)),
            Some(Token::Parameter(name)) => {
                let value = self.parameters.get(&name.to_ascii_lowercase());
                value.map(|text| Scalar::Text(text.clone())).ok_or(format!("no parameter @{name}"))
            }
            Some(token) if is_keyword(&token, "TRUE") => Ok(Scalar::Text("true".to_owned())),
            Some(token) if is_keyword(&token, "FALSE") => Ok(Scalar::Text("false".to_owned())),
            Some(token) if is_keyword(&token, "DATE") => match self.tokens.next() {
                Some(Token::Text(text)) => Ok(Scalar::Text(text)),
                other => Err(format!("no date after DATE: {other:?}")),
            },
            Some(token) => Err(unexpected(&token)),
            None => Err("a value is missing".to_owned()),
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            Some(token) => Err(unexpected(&token)),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), String> {
        if self.takes_keyword(keyword) { Ok(()) } else { Err(format!("{keyword} is missing")) }
    }

    fn takes_keyword(&mut self, keyword: &str) -> bool {
        self.tokens.next_if(|token| is_keyword(token, keyword)).is_some()
    }

    fn symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.takes_symbol(symbol) { Ok(()) } else { Err(format!("{symbol} is missing")) }
    }

    fn takes_symbol(&mut self, symbol: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Symbol(s) if *s == symbol)).is_some()
    }
}

fn is_keyword(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
}

fn unexpected(token: &Token) -> String {
    format!("unexpected {token:?}")
}

fn tokens(sql: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '`' | '\'' => {
                let inner = rest[1..].split(first).next().unwrap_or_default();
                let length = inner.len() + 2;
                if length > rest.len() || inner.contains('\\') {
                    return Err(format!("cannot read {rest}"));
                }
                let inner = inner.to_owned();
                (if first == '`' { Token::Word(inner) } else { Token::Text(inner) }, length)
            }
            '@' => {
                let name = word(&rest[1..]);
                (Token::Parameter(name.to_owned()), name.len() + 1)
            }
            '-' | '0'..='9' => {
                let digits =
                    rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
                let text = &rest[..=digits];
                let number = text.parse().map_err(|_| format!("{text} is no integer"))?;
                (Token::Number(number), text.len())
            }
            _ if first.is_alphabetic() || first == '_' => {
                let name = word(rest);
                (Token::Word(name.to_owned()), name.len())
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let symbol = symbol.ok_or_else(|| format!("cannot read {first}"))?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Letters, digits, and what parts a table's name outside backticks.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_.-".contains(c)));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sinks_question() {
        let parameters = Parameters::from([("seq".to_owned(), "17".to_owned())]);
        let sql = "select count(*) as n, MAX(journal_seq) FROM `p.d.pings`\n\
                   WHERE shard = 3 AND journal_seq >= @seq AND day >= DATE '2026-01-02';";
        let condition = |column: &str, operator, value| Condition {
            column: column.to_owned(),
            operator,
            value,
        };
        assert_eq!(
            query(sql, &parameters).unwrap(),
            Query {
                selected: Selected::Aggregates(vec![
                    (Aggregate::CountRows, Some("n".to_owned())),
                    (Aggregate::Max("journal_seq".to_owned()), None),
                ]),
                table: "p.d.pings".to_owned(),
                conditions: vec![
                    condition("shard", Operator::Equal, Scalar::Integer(3)),
                    condition("journal_seq", Operator::GreaterOrEqual, Scalar::Text("17".into())),
                    condition("day", Operator::GreaterOrEqual, Scalar::Text("2026-01-02".into())),
                ],
            }
        );
    }

    #[test]
    fn rows_by_their_columns() {
        let named = |name: &str| (name.to_owned(), None);
        let query = query("SELECT vehicle_id, seq AS n FROM d.t", &Parameters::new()).unwrap();
        let seq = ("seq".to_owned(), Some("n".to_owned()));
        assert_eq!(query.selected, Selected::Columns(vec![named("vehicle_id"), seq]));
        assert_eq!((query.table.as_str(), query.conditions.len()), ("d.t", 0));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for sql in [
            "",
            "SELECT 1",
            "SELECT * FROM d.t",
            "SELECT COUNT(*) FROM d.t GROUP BY x",
            "SELECT COUNT(*) FROM d.t WHERE a = 1 OR b = 2",
            "SELECT COUNT(*) FROM d.t WHERE a = 1.5",
            "SELECT COUNT(*) FROM d.t WHERE a = 'it\\'s'",
            "SELECT COUNT(*) FROM d.t WHERE a = 'open",
            "SELECT COUNT(*) FROM d.t WHERE a = @missing",
            "SELECT SUM(x) FROM d.t",
            "SELECT x, COUNT(*) FROM d.t",
            "SELECT COUNT(*), x FROM d.t",
            "DELETE FROM d.t",
        ] {
            assert!(query(sql, &Parameters::new()).is_err(), "{sql}");
        }
    }
}
