//! The parts of the measurement, as they are chosen and headed.

use clap::ValueEnum;

/// A part, which is a table of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// From bytes to admitted pings, alone.
    Decode,
    /// Which fences hold a place, alone.
    Index,
    /// From bytes to effects, in one thread.
    Core,
    /// `fleetstream replay`, from a file of pings to Parquet.
    File,
    /// `fleetstream run`, from HTTP to Parquet.
    Http,
    /// `fleetstream run`, from Pub/Sub (a stand-in) to Pub/Sub and Parquet.
    Pubsub,
    /// Writing the archive's rows.
    Parquet,
    /// From a journal or a snapshot back to the state.
    Recovery,
    /// Taking up another set of fences.
    Fences,
    /// How costs grow with vehicles, fences, corners, windows, late pings, shards.
    Scaling,
}

impl Section {
    /// Those asked for, in the order of the report; all but the long one where
    /// none was.
    pub(super) fn chosen(only: &[Self]) -> Vec<Self> {
        let asked = |section: &Self| match only {
            [] => *section != Self::Scaling,
            only => only.contains(section),
        };
        Self::value_variants().iter().copied().filter(asked).collect()
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Decode => "Decode alone",
            Self::Index => "Index alone",
            Self::Core => "Core",
            Self::File => "File to Parquet",
            Self::Http => "HTTP to Parquet",
            Self::Pubsub => "Pub/Sub to Pub/Sub and Parquet",
            Self::Parquet => "Parquet",
            Self::Recovery => "Recovery",
            Self::Fences => "Fences taken up",
            Self::Scaling => "Scaling",
        }
    }

    /// What is measured, what the floor and the baseline are.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Decode => {
                "A batch of 1,000 pings decoded, admitted and cut into its payloads; CPU a ping. \
                 Floor: every byte read once. Baseline: prost, owned strings, nothing checked."
            }
            Self::Index => {
                "Which fences hold a place; CPU a place, of a fleet in the order it reports. \
                 Baseline: rstar and `geo::Contains`, which must give the same answers."
            }
            Self::Core => {
                "Encoded batches decoded, admitted and judged, a ping of every vehicle each 10 s, \
                 in one thread; CPU a ping. Floor: the decoding of it. Baseline: prost, dashmap, \
                 rstar and geo, one ping after the other; no late pings, no intervals. Memory \
                 holds the fleet that makes the load too."
            }
            Self::File => {
                "`fleetstream replay`, everything on; CPU a ping of the whole process, start and \
                 end included. Floor: the file read and written again as the archive is. \
                 Baseline: the same with dashmap, rstar and geo between, events as lines of text, \
                 Parquet as by default (zstd-1); no journal, nothing late."
            }
            Self::Http => {
                "`fleetstream run`: protobuf batches over loopback as fast as they are answered \
                 from 64 connections; CPU a ping of the whole process from its readiness to its \
                 end. Floor: axum and prost, every body decoded and answered. Baseline: the same \
                 with dashmap, rstar, geo and default Parquet behind; answered before anything is \
                 durable."
            }
            Self::Pubsub => {
                "`fleetstream run`: messages pulled from a stand-in for Pub/Sub in another \
                 process, journal, core, events published to it, the archive as Parquet; CPU a \
                 ping of the whole process from its readiness to its end. Floor: Google's client \
                 alone, every message pulled and acknowledged. Baseline: the same client with \
                 prost, dashmap, rstar, geo and default Parquet behind, no event published; \
                 acknowledged before anything is durable."
            }
            Self::Parquet => {
                "Rows of both tables written once more, in memory; CPU and bytes a row. Baseline: \
                 arrow-rs defaults with zstd-1."
            }
            Self::Recovery => {
                "A shard claimed from its journal: pings judged again, each a ping's share; and \
                 a fleet from a snapshot, the whole. Wall time where it says so. Floor: \
                 the same segments read and decoded, nothing judged."
            }
            Self::Fences => {
                "GeoJSON to fences and index, then their uptake by a detector of a fleet; \
                 the whole, CPU of all threads. Baseline: serde_json into rstar and geo. And \
                 segments that are due every 10 ms while another thread reads fences again and \
                 again: wall time from when one is due to the end of its apply. Floor: nothing \
                 is read meanwhile."
            }
            Self::Scaling => {
                "As `core`, robust, five rounds after five that warm up, unless said otherwise; \
                 CPU a ping."
            }
        }
    }
}
