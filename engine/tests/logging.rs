//! Log lines as they leave the process. One test a process: a panic hook is
//! everybody's.

use std::io;
use std::sync::{Arc, Mutex};

use engine::logging::{JsonLines, log_panics, subscriber, text_lines};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no panic holds it").clone();
        String::from_utf8(bytes).expect("text")
    }
}

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

#[test]
fn panics_are_one_line_and_text_is_plain_without_colours() {
    let filter = "info".parse().expect("a valid filter");

    let json = Memory::default();
    tracing::subscriber::with_default(subscriber(&filter, JsonLines::new(json.clone())), || {
        let standard = std::panic::take_hook();
        log_panics();
        let outcome = std::panic::catch_unwind(|| panic!("first\nsecond"));
        std::panic::set_hook(standard);
        assert!(outcome.is_err());
    });
    let line: serde_json::Value = serde_json::from_str(&json.text()).expect("one line of JSON");
    assert_eq!(line["severity"], "ERROR");
    assert_eq!(line["message"], "panicked: first\nsecond");
    assert!(line["location"].as_str().is_some_and(|at| at.contains("tests/logging.rs:")), "{line}");

    for colours in [false, true] {
        let text = Memory::default();
        let lines = text_lines(text.clone(), colours);
        tracing::subscriber::with_default(subscriber(&filter, lines), || {
            tracing::warn!(shard = 3, "slow commit");
            tracing::debug!("below the level");
        });
        let text = text.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(text.contains('\u{1b}'), colours, "{text}");
        assert!(text.contains("slow commit") && text.contains("WARN"), "{text}");
        if !colours {
            let time = text.split(' ').next().unwrap_or_default();
            assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == 24, "{text}");
            assert!(text.trim_end().ends_with("slow commit shard=3"), "{text}");
        }
    }
}
