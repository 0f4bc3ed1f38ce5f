//! The files of a run.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::fences::Fences;
use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::profile::{Profile, World};
use crate::read::told::Spool;
use crate::truth::{Names, Record, read_records, write_record};
use crate::verdict::{Report, html};

/// Latencies that a run may write, each to a log of its own.
const LATENCIES: [&str; 6] = ["answer", "event", "exit", "published", "received", "position"];

/// The report as the run itself has it: `verify` begins with it, however often
/// `report.json` is written.
const MEASURED: &str = "measured.json";

/// Every operation on an event of the run's vehicles, as it was read.
const OPERATIONS: &str = "operations.ndjson";

fn log_name(latencies: &str) -> String {
    format!("{latencies}.hlog")
}

/// A directory with everything about one run.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

/// What `verify` needs of a run besides its other files.
#[derive(Debug, Serialize, Deserialize)]
struct RunFile {
    start_ms: i64,
    prefix: String,
    profile: Profile,
    /// Vehicles of recorded traces, of which there is no truth.
    #[serde(default)]
    traces: bool,
}

/// The truth on its way to disk.
pub(super) struct TruthWriter {
    out: BufWriter<File>,
    line: Vec<u8>,
    names: Names,
    /// The first error; nothing is written after it.
    failed: Option<std::io::Error>,
}

impl RunDirectory {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// One that is there.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Writes the fences, and a configuration for the engine that fits.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write_world(&self, world: &World) -> anyhow::Result<()> {
        self.write("fences.geojson", world.geojson.as_bytes())?;
        // Paths in a configuration count from where it lies.
        let config = format!(
            "data_dir = \"data\"\nfences = \"fences.geojson\"\n\n\
             # Files close soon, so that the archive can be judged after the run.\n\
             [archive]\nmax_age = \"5s\"\n\n{}",
            world.profile.engine_config(),
        );
        self.write("fleetstream.toml", config.as_bytes())
    }

    /// Begins a run: what an earlier one has left here is none of it.
    pub(super) fn begin_run(
        &self,
        world: &World,
        names: &Names,
        traces: bool,
    ) -> anyhow::Result<()> {
        self.clear()?;
        let run = RunFile {
            start_ms: names.start_ms,
            prefix: names.prefix.clone(),
            profile: world.profile.clone(),
            traces,
        };
        self.write("run.json", &serde_json::to_vec_pretty(&run)?)?;
        self.write("fences.geojson", world.geojson.as_bytes())
    }

    /// Removes what the end of a run writes, and nothing else: the directory may
    /// be anybody's.
    fn clear(&self) -> anyhow::Result<()> {
        let logs = LATENCIES.map(log_name);
        let others = ["ledger.bin", MEASURED, OPERATIONS, "report.json", "report.html"];
        for name in others.into_iter().chain(logs.iter().map(String::as_str)) {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.with_context(|| format!("removing {}", path.display()))?,
            }
        }
        Ok(())
    }

    pub(super) fn read_run(&self) -> anyhow::Result<(World, Names)> {
        let run: RunFile = serde_json::from_slice(&self.read("run.json")?).context("run.json")?;
        let geojson = String::from_utf8(self.read("fences.geojson")?).context("fences.geojson")?;
        let names = Names { start_ms: run.start_ms, prefix: run.prefix };
        Ok((run.profile.world(Some(geojson))?, names))
    }

    pub(super) fn truth_writer(&self, names: &Names) -> anyhow::Result<TruthWriter> {
        let path = self.path.join("truth.ndjson");
        let file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
        let out = BufWriter::with_capacity(1 << 18, file);
        Ok(TruthWriter { out, line: Vec::new(), names: names.clone(), failed: None })
    }

    pub(super) fn read_truth(&self, fences: &Fences, names: &Names) -> anyhow::Result<Vec<Record>> {
        let path = self.path.join("truth.ndjson");
        let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
        let number = |id: &str| {
            let place = fences.all().binary_search_by(|fence| fence.id.as_str().cmp(id)).ok()?;
            u32::try_from(place).ok()
        };
        let mut records = Vec::new();
        read_records(BufReader::new(file), names, number, |record| records.push(record))?;
        Ok(records)
    }

    /// Begins to keep operations on events.
    pub(super) fn spool(&self) -> anyhow::Result<Spool> {
        Spool::create(&self.path.join(OPERATIONS))
    }

    /// Where operations on events are kept, if they are.
    pub(super) fn operations(&self) -> Option<PathBuf> {
        Some(self.path.join(OPERATIONS)).filter(|path| path.is_file())
    }

    pub(super) fn write_ledger(&self, ledger: &Ledger) -> anyhow::Result<()> {
        self.write("ledger.bin", &zstd::encode_all(ledger.to_bytes().as_slice(), 1)?)
    }

    pub(super) fn read_ledger(&self) -> anyhow::Result<Ledger> {
        let bytes = zstd::decode_all(self.read("ledger.bin")?.as_slice()).context("ledger.bin")?;
        Ledger::from_bytes(&bytes)
            .context("ledger.bin is cut short, or of an earlier loadgen; run it again")
    }

    /// Writes `name.hlog`; `name` is one of [`LATENCIES`].
    pub(super) fn write_latencies(
        &self,
        name: &str,
        latencies: &Latencies,
        names: &Names,
        seconds: f64,
    ) -> anyhow::Result<()> {
        let mut log = Vec::new();
        latencies.write_log(&mut log, names.start_ms, seconds)?;
        debug_assert!(LATENCIES.contains(&name), "{name} would outlive its run");
        self.write(&log_name(name), &log)
    }

    /// Writes the report for machines and for people.
    pub(super) fn write_report(&self, report: &Report) -> anyhow::Result<()> {
        self.write("report.json", &serde_json::to_vec_pretty(report)?)?;
        self.write("report.html", html(report).as_bytes())
    }

    pub(super) fn write_measured(&self, report: &Report) -> anyhow::Result<()> {
        self.write(MEASURED, &serde_json::to_vec(report)?)
    }

    pub(super) fn read_measured(&self) -> anyhow::Result<Report> {
        let bytes = self.read(MEASURED).context(
            "what the run measured is not there: it has not ended, or is of an earlier loadgen; \
             run it again",
        )?;
        serde_json::from_slice(&bytes).context(MEASURED)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path.join(name);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    fn read(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.path.join(name);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }
}

impl TruthWriter {
    /// Takes a record; an error is kept for [`Self::finish`].
    pub(super) fn push(&mut self, fences: &Fences, record: &Record) {
        if self.failed.is_some() {
            return;
        }
        let fence = record.fence.map_or("", |number| fences.get(number).id.as_str());
        let written = write_record(&mut self.out, &mut self.line, record, &self.names, fence);
        self.failed = written.err();
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let written = self.failed.take().map_or_else(|| self.out.flush(), Err);
        written.context("writing truth.ndjson")
    }
}
