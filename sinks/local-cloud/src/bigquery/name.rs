//! Names of tables and streams, in the forms the two interfaces spell them.

use std::fmt;

/// A table: `projects/{project}/datasets/{dataset}/tables/{table}` to the
/// Storage Write API, `{project}:{dataset}.{table}` in the messages of REST.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The project that holds the dataset.
    pub project: String,
    /// The dataset that holds the table.
    pub dataset: String,
    /// The table within the dataset.
    pub table: String,
}

impl TableName {
    /// A name of its three parts.
    pub fn new(
        project: impl Into<String>,
        dataset: impl Into<String>,
        table: impl Into<String>,
    ) -> Self {
        Self { project: project.into(), dataset: dataset.into(), table: table.into() }
    }

    /// Reads the form of the Storage Write API; `None` for any other.
    pub fn from_resource(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            ["projects", project, "datasets", dataset, "tables", table]
                if ![project, dataset, table].contains(&"") =>
            {
                Some(Self::new(project, dataset, table))
            }
            _ => None,
        }
    }

    /// The form of the Storage Write API.
    pub fn resource(&self) -> String {
        format!("projects/{}/datasets/{}/tables/{}", self.project, self.dataset, self.table)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.project, self.dataset, self.table)
    }
}

/// A write stream of a table, `{table}/streams/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamName {
    pub(crate) table: TableName,
    pub(crate) id: String,
}

impl StreamName {
    /// Id of the stream that every table has without its being created.
    const DEFAULT: &str = "_default";

    /// Reads `{table}/streams/{id}`, and `{table}/_default`, the older name of
    /// the default stream, which the service still takes.
    pub(crate) fn from_resource(text: &str) -> Option<Self> {
        let (table, id) = text
            .split_once("/streams/")
            .or_else(|| Some((text.strip_suffix("/_default")?, Self::DEFAULT)))?;
        if id.is_empty() || id.contains('/') {
            return None;
        }
        Some(Self { table: TableName::from_resource(table)?, id: id.to_owned() })
    }

    pub(crate) fn is_default(&self) -> bool {
        self.id == Self::DEFAULT
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/streams/{}", self.table.resource(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names_are_read_whole_or_not_at_all() {
        let table = TableName::new("p", "d", "t");
        for (text, id) in [
            ("projects/p/datasets/d/tables/t/streams/s1", Some("s1")),
            ("projects/p/datasets/d/tables/t/streams/_default", Some("_default")),
            ("projects/p/datasets/d/tables/t/_default", Some("_default")),
            ("projects/p/datasets/d/tables/t/streams/", None),
            ("projects/p/datasets/d/tables/t/streams/a/b", None),
            ("projects/p/datasets/d/tables/t", None),
            ("projects//datasets/d/tables/t/streams/s1", None),
            ("", None),
        ] {
            let expected = id.map(|id| StreamName { table: table.clone(), id: id.into() });
            assert_eq!(StreamName::from_resource(text), expected, "{text}");
        }
    }
}
