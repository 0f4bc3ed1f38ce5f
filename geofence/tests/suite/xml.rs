//! The test files of JTS: runs of cases, each one or two geometries in WKT and
//! what an operation on them gives. As much of XML as they use.

/// One case, with its number in the file counted from 1.
#[derive(Debug)]
pub struct Case {
    pub file: &'static str,
    pub number: usize,
    pub what: String,
    pub a: String,
    pub b: String,
    pub ops: Vec<Op>,
}

#[derive(Debug)]
pub struct Op {
    pub name: String,
    /// "A" or "B".
    pub args: [String; 2],
    /// The third argument: for `relate` the pattern of its matrix.
    pub pattern: String,
    pub expected: bool,
}

impl Case {
    /// For messages and tables.
    pub fn name(&self) -> String {
        format!("{} {}: {}", self.file, self.number, self.what)
    }
}

/// The cases of a file.
pub fn cases(file: &'static str, text: &str) -> Vec<Case> {
    let bodies = elements(text, "case");
    assert_eq!(bodies.len(), text.matches("<case>").count(), "{file}");
    (1..)
        .zip(bodies)
        .map(|(number, (_, body))| {
            let one = |name| elements(body, name).first().map_or("", |(_, text)| text);
            let op = |(tag, text): (&str, &str)| Op {
                name: attribute(tag, "name"),
                args: [attribute(tag, "arg1"), attribute(tag, "arg2")],
                pattern: attribute(tag, "arg3"),
                expected: text.trim().parse().unwrap(),
            };
            Case {
                file,
                number,
                what: one("desc").split_whitespace().collect::<Vec<_>>().join(" "),
                a: one("a").into(),
                b: one("b").into(),
                ops: elements(body, "op").into_iter().map(op).collect(),
            }
        })
        .collect()
}

/// The elements of this name, which do not nest: (start tag, content).
fn elements<'a>(text: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    text.match_indices(&open)
        .filter(|(at, _)| text[at + open.len()..].starts_with([' ', '>']))
        .map(|(at, _)| {
            let (tag, rest) = text[at..].split_once('>').unwrap();
            (tag, rest.split_once(&close).unwrap().0)
        })
        .collect()
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
    value.map_or(String::new(), |(value, _)| value.into())
}
