//! Well-known text, its numbers kept exactly as they are written.

/// `mantissa` / 10^`decimals`; `None` stands for NaN.
pub type Number = Option<Decimal>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub mantissa: i128,
    pub decimals: u32,
}

pub type Coordinate = [Number; 2];
/// A closed ring as written, or a line; empty where it is EMPTY.
pub type Line = Vec<Coordinate>;

#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// Of a POINT or a MULTIPOINT.
    Points(Vec<Coordinate>),
    /// Of a LINESTRING, a MULTILINESTRING or a LINEARRING.
    Lines(Vec<Line>),
    /// Of a POLYGON, one, or a MULTIPOLYGON: the rings of each part.
    Areas { multi: bool, parts: Vec<Vec<Line>> },
    /// Of several kinds.
    Collection,
}

impl Geometry {
    /// Reads a text of which all must be a geometry.
    pub fn parse(text: &str) -> Self {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace(',', " , ");
        let mut reader = Reader { tokens: spaced.split_whitespace().collect(), at: 0 };
        let kind = reader.next().to_uppercase();
        let geometry = match kind.as_str() {
            "POINT" => Self::Points(reader.line()),
            "MULTIPOINT" => {
                Self::Points(reader.list(Reader::point).into_iter().flatten().collect())
            }
            "LINESTRING" | "LINEARRING" => Self::Lines(vec![reader.line()]),
            "MULTILINESTRING" => Self::Lines(reader.list(Reader::line)),
            "POLYGON" => Self::Areas { multi: false, parts: vec![reader.list(Reader::line)] },
            "MULTIPOLYGON" => {
                let parts = reader.list(|r| r.list(Reader::line));
                Self::Areas { multi: true, parts }
            }
            "GEOMETRYCOLLECTION" => return Self::Collection,
            other => panic!("{other} is no geometry: {text}"),
        };
        assert_eq!(reader.at, reader.tokens.len(), "{text}");
        geometry
    }

    pub fn coordinates(&self) -> Vec<Coordinate> {
        match self {
            Self::Points(points) => points.clone(),
            Self::Lines(lines) => lines.concat(),
            Self::Areas { parts, .. } => parts.concat().concat(),
            Self::Collection => Vec::new(),
        }
    }
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> &'a str {
        self.at += 1;
        self.tokens[self.at - 1]
    }

    /// A parenthesised list; EMPTY is one of nothing.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        if self.next().eq_ignore_ascii_case("EMPTY") {
            return Vec::new();
        }
        assert_eq!(self.tokens[self.at - 1], "(");
        let mut items = vec![item(self)];
        loop {
            match self.next() {
                "," => items.push(item(self)),
                ")" => return items,
                other => panic!("{other} in {:?}", self.tokens),
            }
        }
    }

    fn line(&mut self) -> Line {
        self.list(|r| [r.number(), r.number()])
    }

    /// Of a MULTIPOINT: in parentheses of its own, without, or EMPTY.
    fn point(&mut self) -> Option<Coordinate> {
        if self.tokens[self.at].chars().all(|c| c == '(' || c.is_alphabetic()) {
            return self.line().pop();
        }
        Some([self.number(), self.number()])
    }

    fn number(&mut self) -> Number {
        let text = self.next();
        (!text.eq_ignore_ascii_case("NaN")).then(|| Decimal::parse(text))
    }
}

impl Decimal {
    pub fn parse(text: &str) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        Self {
            mantissa: format!("{whole}{fraction}").parse().unwrap(),
            decimals: fraction.len() as u32,
        }
    }
}
