//! Metrics for Prometheus: one table of names, and the page of `/metrics`.
//!
//! Hot paths count locally and add once per batch. No metric is labelled by
//! vehicle: cardinality would grow with the fleet, and positions are personal
//! data.

mod process;
mod table;

use ::metrics::{Counter, Gauge, Histogram, Label, Unit};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

pub use table::*;

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, by the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A metric's name and meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// As Prometheus sees it, with the unit as suffix.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Unit of its value.
    pub unit: Unit,
    /// One sentence for whoever reads the page.
    pub help: &'static str,
    /// Label names; every use gives all of them, in this order.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// A handle to add to; `values` go with the labels in order. Keep it:
    /// looking it up costs a hash and a lock.
    pub fn counter(&self, values: &[&str]) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        ::metrics::counter!(self.name, self.label(values))
    }

    /// A handle to set; see [`Metric::counter`].
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        ::metrics::gauge!(self.name, self.label(values))
    }

    /// A handle to record in; see [`Metric::counter`].
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        debug_assert!(matches!(self.kind, Kind::Histogram(_)), "{}", self.name);
        ::metrics::histogram!(self.name, self.label(values))
    }

    fn label(&self, values: &[&str]) -> Vec<Label> {
        debug_assert_eq!(self.labels.len(), values.len(), "labels of {}", self.name);
        self.labels
            .iter()
            .zip(values)
            .map(|(name, value)| Label::new(*name, (*value).to_owned()))
            .collect()
    }
}

/// The text page of `/metrics`.
#[derive(Clone, Debug)]
pub struct Page {
    handle: PrometheusHandle,
}

impl Page {
    /// The page now, process metrics included.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = self.handle.render();
        process::append(&mut page);
        page
    }

    /// Folds what histograms gathered. To be called every few seconds: between
    /// two calls they keep every single sample, and nobody may ever scrape.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Starts collecting, for the rest of the process.
///
/// # Errors
/// A recorder was installed before.
pub fn install() -> Result<Page, BuildError> {
    let recorder = recorder()?;
    let page = Page { handle: recorder.handle() };
    ::metrics::set_global_recorder(recorder)?;
    introduce();
    Ok(page)
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(name, buckets)?;
        }
    }
    Ok(builder.build_recorder())
}

/// Describes every metric, and shows counters from the start where their labels
/// are known: a rate needs the zero before the first one.
fn introduce() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => {
                ::metrics::describe_counter!(metric.name, metric.unit, metric.help);
                if metric.labels.is_empty() {
                    metric.counter(&[]).increment(0);
                }
            }
            Kind::Gauge => ::metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram(_) => {
                ::metrics::describe_histogram!(metric.name, metric.unit, metric.help);
            }
        }
    }
    for (metric, labels) in table::FROM_ZERO {
        for values in *labels {
            metric.counter(values).increment(0);
        }
    }
    BUILD_INFO.gauge(&[env!("CARGO_PKG_VERSION")]).set(1.0);
}

#[cfg(test)]
mod tests;
