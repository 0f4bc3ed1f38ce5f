//! The dataset that a configuration names.

use std::fmt;
use std::str::FromStr;

/// A dataset of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Id of the project.
    pub project: String,
    /// Id of the dataset in it.
    pub dataset: String,
}

/// Text that names no dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected projects/PROJECT/datasets/DATASET")]
pub struct DatasetError;

impl Dataset {
    /// A table, as the Storage Write API names it.
    pub(super) fn table_path(&self, table: &str) -> String {
        format!("{self}/tables/{table}")
    }

    /// The dataset, as SQL names it.
    pub(super) fn in_sql(&self) -> String {
        format!("{}.{}", self.project, self.dataset)
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/datasets/{}", self.project, self.dataset)
    }
}

impl FromStr for Dataset {
    type Err = DatasetError;

    fn from_str(text: &str) -> Result<Self, DatasetError> {
        let rest = text.strip_prefix("projects/").ok_or(DatasetError)?;
        let (project, dataset) = rest.split_once("/datasets/").ok_or(DatasetError)?;
        // A domain-scoped project has a colon and dots.
        let project_fits = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
        if project.is_empty() || !project.chars().all(project_fits) || !is_table_name(dataset) {
            return Err(DatasetError);
        }
        Ok(Self { project: project.to_owned(), dataset: dataset.to_owned() })
    }
}

/// Whether `name` can name a table or a dataset without quotes: letters, digits and
/// underscores.
#[must_use]
pub fn is_table_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=1024).contains(&name.len()) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("projects/p-1/datasets/fleet")]
    #[case("projects/example.com:p/datasets/d_2")]
    fn a_dataset_is_read_as_it_is_written(#[case] text: &str) {
        assert_eq!(text.parse::<Dataset>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("fleet")]
    #[case("p.fleet")]
    #[case("projects//datasets/d")]
    #[case("projects/p/datasets/")]
    #[case("projects/p/datasets/d/tables/t")]
    #[case("projects/p/datasets/a-b")]
    #[case("projects/p`/datasets/d")]
    fn anything_else_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Dataset>(), Err(DatasetError));
    }
}
