//! Log lines as JSON objects with the fields Cloud Logging reads:
//! `severity`, `time`, `message`; then `target`, and the fields of the event
//! and of the spans around it, flat.

use std::error::Error;
use std::fmt;
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Names that belong to the line itself; a field of that name gets a `_`.
const RESERVED: [&str; 3] = ["severity", "time", "target"];

/// Writes one JSON object a line.
#[derive(Debug)]
pub struct JsonLines<W> {
    writer: W,
}

impl<W> JsonLines<W> {
    /// Lines go to a writer that `writer` makes for each.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }
}

/// A span's fields, kept with the span.
struct SpanFields(Fields);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        // From the outermost span to the event: the nearest one wins.
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                line.0.extend(fields.0.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        event.record(&mut line);
        let metadata = event.metadata();
        line.0.insert("severity".into(), severity(*metadata.level()).into());
        line.0.insert("time".into(), super::now().into());
        line.0.insert("target".into(), metadata.target().into());
        let mut text = Value::Object(line.0).to_string();
        text.push('\n');
        // One write, so that lines of several threads do not mix. A log that
        // cannot be written has nowhere to say so.
        let _ = self.writer.make_writer_for(metadata).write_all(text.as_bytes());
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            name if RESERVED.contains(&name) => format!("{name}_"),
            name => name.to_owned(),
        };
        self.0.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    /// With its causes: "opening the journal: permission denied".
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.set(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::JsonLines;
    use crate::logging::subscriber;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic holds it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn lines(filter: &str, log: impl FnOnce()) -> Vec<Value> {
        let memory = Memory::default();
        let filter = filter.parse().expect("a valid filter");
        tracing::subscriber::with_default(subscriber(&filter, JsonLines::new(memory.clone())), log);
        let bytes = memory.0.lock().expect("no panic holds it");
        let text = str::from_utf8(&bytes).expect("JSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    #[test]
    fn a_line_has_cloud_loggings_fields_and_its_own_flat() {
        let logged = lines("info", || {
            let span =
                tracing::info_span!("shard", shard = 3, rows = 1, later = tracing::field::Empty);
            let _entered = span.enter();
            span.record("later", true);
            tracing::warn!(target: "engine::journal", rows = 7_u64, ratio = 0.5, "slow \"commit\"");
            tracing::debug!("below the level");
        });
        let [line] = logged.as_slice() else { panic!("one line, not {logged:?}") };
        let mut line = line.as_object().expect("an object").clone();
        let time = line.remove("time").expect("a time");
        let time = time.as_str().expect("text");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"), "{time}");
        assert_eq!(
            Value::Object(line),
            json!({
                "severity": "WARNING",
                "target": "engine::journal",
                "message": "slow \"commit\"",
                "shard": 3,
                "rows": 7,
                "ratio": 0.5,
                "later": true,
            })
        );
    }

    #[test]
    fn a_field_cannot_take_the_place_of_the_lines_own() {
        let logged = lines("trace", || {
            tracing::error!(severity = "none", time = 1, target = "x", "m");
            tracing::trace!("t");
        });
        assert_eq!(logged[0]["severity"], "ERROR");
        assert_eq!(logged[0]["severity_"], "none");
        assert_eq!(logged[0]["time_"], 1);
        assert_eq!(logged[1]["severity"], "DEBUG");
    }

    #[test]
    fn an_error_brings_its_causes() {
        let cause = io::Error::other("disk on fire");
        let error = anyhow::Error::new(cause).context("writing segment 7");
        let logged = lines("info", || {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            tracing::error!(error, "giving up");
        });
        assert_eq!(logged[0]["error"], "writing segment 7: disk on fire");
    }

    #[test]
    fn the_filter_silences_single_targets() {
        let logged = lines("info,sinks=off", || {
            tracing::info!(target: "sinks::parquet", "silenced");
            tracing::info!(target: "engine", "kept");
        });
        assert_eq!(logged.len(), 1);
        assert_eq!(logged[0]["message"], "kept");
    }
}
