//! A target that speaks the engine's HTTP and does what it is told: perfectly,
//! from the very truth, or wrong in known ways.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use loadgen::profile::{Profile, World};
use loadgen::stream::{Deliveries as _, Stream};
use loadgen::truth::{Kind, Names, Record, vehicle_id};
use parquet::arrow::ArrowWriter;
use prost::Message as _;
use protos::event_json::{Rendering, push_event};
use protos::events::fleet_event::Detail;
use protos::events::{FleetEvent, GeofenceDwell, Id, Op};
use protos::telemetry::{VehiclePing, VehiclePingBatch};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Of so many pings one is acknowledged and then forgotten; 0 for none.
    pub(crate) drops_of: u64,
    /// Of so many events one is told a second time as another; 0 for none.
    pub(crate) doubles_of: u64,
    /// Nothing of this kind is told.
    pub(crate) hides: Option<Kind>,
    /// Added to every event's times, milliseconds.
    pub(crate) shift_ms: i64,
    /// So many requests are answered 503 first.
    pub(crate) unavailable: u32,
    /// So many requests are cut off without an answer, after those.
    pub(crate) cut_off: u32,
    /// So many requests are taken and answered 202 with half an answer, after
    /// those.
    pub(crate) garbled: u32,
    /// After so many requests every one is answered 503.
    pub(crate) unavailable_after: Option<u32>,
    /// After so many requests none is answered, and connections stay open.
    pub(crate) hangs_after: Option<u32>,
    /// Whoever asks for events or positions gets no answer.
    pub(crate) hangs_readers: bool,
    /// A single vehicle's position is that of a map which is drawn anew only
    /// so often.
    pub(crate) map_every: Duration,
    /// Done to three rows of its archive.
    pub(crate) alter: Option<fn(&mut ArchiveRow)>,
    /// Added to the latitude of three positions that it lists, degrees.
    pub(crate) moves_deg: f64,
    /// The most positions that it lists.
    pub(crate) lists_max: Option<usize>,
}

/// A row of its archive.
#[derive(Clone, Debug)]
pub(crate) struct ArchiveRow {
    pub(crate) ping: VehiclePing,
    pub(crate) location: String,
    pub(crate) day: i32,
}

impl ArchiveRow {
    fn of(ping: &VehiclePing) -> Self {
        let location = format!("POINT({} {})", ping.lon, ping.lat);
        let day = ping.event_time_us.div_euclid(86_400_000_000) as i32;
        Self { ping: ping.clone(), location, day }
    }
}

/// What it did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) dropped: u64,
    pub(crate) doubled: u64,
    pub(crate) kept: Vec<VehiclePing>,
}

pub(crate) struct FakeEngine {
    /// When each is told, milliseconds since the epoch.
    events: Vec<(i64, String)>,
    faults: Faults,
    requests: AtomicU32,
    done: Mutex<(Done, HashSet<(String, i64)>)>,
    /// Each vehicle's newest ping.
    newest: Mutex<HashMap<String, VehiclePing>>,
    /// When the map was drawn, and what is on it.
    map: Mutex<(Option<Instant>, HashMap<String, VehiclePing>)>,
}

/// A world of exact pings.
pub(crate) fn world(rate: u32, seconds: u32) -> World {
    let mut profile = Profile::load("smoke").expect("it is shipped");
    profile.load.seconds = seconds;
    profile.load.rate[0].rate = rate;
    profile.fleet.vehicles = rate;
    profile.world(None).expect("fences of its own")
}

pub(crate) fn truth_of(world: &World) -> Vec<Record> {
    let mut truth = Vec::new();
    let mut stream = Stream::new(world);
    while stream.next(&mut |record| truth.push(record)).is_some() {}
    truth
}

impl FakeEngine {
    pub(crate) fn new(world: &World, names: &Names, faults: Faults) -> Arc<Self> {
        let told = messages_of(world, names, faults);
        let is_double = |event: &&FleetEvent| event.event_id > Id::new(DOUBLE.into());
        let doubled = told.iter().filter(is_double).count() as u64;
        let mut events: Vec<(i64, String)> =
            told.iter().map(|event| (event.not_after_ms - faults.shift_ms, json(event))).collect();
        events.sort();
        let done = Done { doubled, ..Done::default() };
        let done = Mutex::new((done, HashSet::new()));
        let (newest, map) = Default::default();
        Arc::new(Self { events, faults, requests: AtomicU32::new(0), done, newest, map })
    }

    /// Serves connections until told to stop.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted.expect("a loopback socket").0,
            };
            let (engine, stop) = (Arc::clone(&self), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = engine.answer_all(stream) => {}
                }
            });
        }
    }

    /// Requests with pings so far.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn done(&self) -> Done {
        std::mem::take(&mut self.done.lock().expect("nobody panics").0)
    }

    /// Answers requests until the client goes away; any failure ends it too.
    async fn answer_all(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (path, body) = read_request(&mut stream).await?;
            match path.as_str() {
                path if self.faults.hangs_readers && path != "/v1/pings" => {
                    std::future::pending::<()>().await;
                }
                "/v1/events" => {
                    self.stream_events(&mut stream).await?;
                    std::future::pending::<()>().await;
                }
                "/v1/pings" => {
                    let turn = self.requests.fetch_add(1, Ordering::Relaxed);
                    let is_past = |requests: Option<u32>| requests.is_some_and(|it| turn >= it);
                    if is_past(self.faults.hangs_after) {
                        std::future::pending::<()>().await;
                    }
                    let Faults { unavailable, cut_off, garbled, .. } = self.faults;
                    if turn < unavailable || is_past(self.faults.unavailable_after) {
                        reply(&mut stream, "503 Service Unavailable", r#"{"code":"queue_full"}"#)
                            .await?;
                    } else if turn < unavailable + cut_off {
                        return None;
                    } else {
                        let mut answer = self.take(&body);
                        if turn < unavailable + cut_off + garbled {
                            answer.truncate(answer.len() / 2);
                        }
                        reply(&mut stream, "202 Accepted", &answer).await?;
                    }
                }
                "/v1/positions" => {
                    let (total, positions) = self.positions();
                    let head = format!("200 OK\r\nx-total-count: {total}");
                    reply(&mut stream, &head, &positions).await?;
                }
                path => {
                    match path.strip_prefix("/v1/positions/").and_then(|id| self.position(id)) {
                        Some(position) => reply(&mut stream, "200 OK", &position).await?,
                        None => reply(&mut stream, "404 Not Found", r#"{"code":"none"}"#).await?,
                    }
                }
            }
        }
    }

    fn take(&self, body: &[u8]) -> String {
        let batch = VehiclePingBatch::decode(body).expect("a batch");
        let mut done = self.done.lock().expect("nobody panics");
        let (mut accepted, mut duplicate) = (0, 0);
        for ping in batch.pings {
            let mut all = self.newest.lock().expect("nobody panics");
            let newest = all.entry(ping.vehicle_id.clone()).or_insert_with(|| ping.clone());
            if ping.event_time_us > newest.event_time_us {
                *newest = ping.clone();
            }
            let seq = ping.seq.expect("loadgen numbers them") as i64;
            if !done.1.insert((ping.vehicle_id.clone(), seq)) {
                duplicate += 1;
                continue;
            }
            accepted += 1;
            if self.faults.drops_of > 0
                && (done.1.len() as u64).is_multiple_of(self.faults.drops_of)
            {
                done.0.dropped += 1;
            } else {
                done.0.kept.push(ping);
            }
        }
        format!(r#"{{"accepted":{accepted},"duplicate":{duplicate},"rejected":[]}}"#)
    }

    /// How many positions there are, and those that it lists.
    fn positions(&self) -> (usize, String) {
        let newest = self.newest.lock().expect("nobody panics");
        let listed = newest.values().take(self.faults.lists_max.unwrap_or(usize::MAX));
        let moved_deg = [self.faults.moves_deg; 3].into_iter().chain(std::iter::repeat(0.0));
        let moved = listed.zip(moved_deg).map(|(ping, by)| position(ping, by));
        (newest.len(), format!("[{}]", moved.collect::<Vec<_>>().join(",")))
    }

    /// A vehicle's position on the map.
    fn position(&self, id: &str) -> Option<String> {
        let mut map = self.map.lock().expect("nobody panics");
        if map.0.is_none_or(|drawn| drawn.elapsed() >= self.faults.map_every) {
            *map = (Some(Instant::now()), self.newest.lock().expect("nobody panics").clone());
        }
        map.1.get(id).map(|ping| position(ping, 0.0))
    }

    async fn stream_events(&self, stream: &mut BufReader<TcpStream>) -> Option<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: committed\n\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        for (number, (told_ms, event)) in self.events.iter().enumerate() {
            let ahead_ms = told_ms - jiff::Timestamp::now().as_millisecond();
            // Even a sleep of nothing takes a millisecond.
            if ahead_ms > 0 {
                tokio::time::sleep(Duration::from_millis(ahead_ms.unsigned_abs())).await;
            }
            let text = format!("id: 0-1-{number}\nevent: any\ndata: {event}\n\n");
            stream.write_all(text.as_bytes()).await.ok()?;
        }
        stream.flush().await.ok()
    }
}

fn position(ping: &VehiclePing, moved_deg: f64) -> String {
    let VehiclePing { vehicle_id, event_time_us, lat, lon, .. } = ping;
    let time = jiff::Timestamp::from_microsecond(*event_time_us).expect("a time of this century");
    let lat = lat + moved_deg;
    format!(r#"{{"vehicle_id":"{vehicle_id}","event_time":"{time}","lat":{lat},"lon":{lon}}}"#)
}

fn json(event: &FleetEvent) -> String {
    let mut json = Vec::new();
    push_event(&mut json, event, Rendering::Full);
    String::from_utf8(json).expect("JSON is text")
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|&read| read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok().filter(|&read| read > 0)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((path, body))
}

async fn reply(stream: &mut BufReader<TcpStream>, status: &str, body: &str) -> Option<()> {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// The required truth as the engine would tell it, with the faults that
/// concern events.
pub(crate) fn messages_of(world: &World, names: &Names, faults: Faults) -> Vec<FleetEvent> {
    let mut events = Vec::new();
    let is_told = |record: &Record| record.required && faults.hides != Some(record.kind);
    let truth = truth_of(world).into_iter().filter(is_told);
    for (record, number) in truth.zip(1..) {
        events.push(event(world, names, &record, faults.shift_ms, number));
        if faults.doubles_of > 0 && number.is_multiple_of(faults.doubles_of) {
            events.push(event(world, names, &record, faults.shift_ms, DOUBLE + number));
        }
    }
    events
}

/// Added to the number of an event that is told twice.
const DOUBLE: u64 = 1_000_000;

fn event(world: &World, names: &Names, record: &Record, shift_ms: i64, number: u64) -> FleetEvent {
    let time_ms = names.start_ms + record.t_ms + shift_ms;
    let fence = record.fence.map_or("", |fence| world.fences.get(fence).id.as_str());
    FleetEvent {
        event_id: Id::new(number.into()),
        op: Op::Assert.into(),
        revision: 1,
        vehicle_id: vehicle_id(&names.prefix, record.vehicle).into(),
        fence_id: fence.into(),
        event_time_ms: time_ms,
        not_before_ms: time_ms - 500,
        not_after_ms: time_ms + 500,
        detail: Some(detail(record)),
        ..FleetEvent::default()
    }
}

fn detail(record: &Record) -> Detail {
    match record.kind {
        Kind::Enter => Detail::GeofenceEnter(Default::default()),
        Kind::Exit => Detail::GeofenceExit(Default::default()),
        Kind::Cross => Detail::GeofenceCross(Default::default()),
        Kind::Dwell => {
            let threshold_s = (record.detail_ms / 1000) as u32;
            Detail::GeofenceDwell(GeofenceDwell { threshold_s })
        }
        Kind::Visit => Detail::GeofenceVisit(Default::default()),
        Kind::StationaryStart => Detail::StationaryStart(Default::default()),
        Kind::StationaryEnd => Detail::StationaryEnd(Default::default()),
        Kind::IdleStart => Detail::IdleStart(Default::default()),
        Kind::IdleEnd => Detail::IdleEnd(Default::default()),
        Kind::Offline => Detail::VehicleOffline(Default::default()),
        Kind::Online => Detail::VehicleOnline(Default::default()),
    }
}

/// Writes what was kept as the archive does; `alter` is done to three rows.
pub(crate) fn write_archive(
    data_dir: &Path,
    names: &Names,
    kept: &[VehiclePing],
    alter: Option<fn(&mut ArchiveRow)>,
) {
    let directory = data_dir.join("pings/dt=2026-01-05");
    std::fs::create_dir_all(&directory).expect("a writable directory");
    let mut rows: Vec<ArchiveRow> = kept.iter().map(ArchiveRow::of).collect();
    alter.iter().for_each(|alter| rows.iter_mut().take(3).for_each(alter));
    let batch = RecordBatch::try_from_iter(columns(names, &rows)).expect("columns of one length");
    let file = std::fs::File::create(directory.join("part.parquet")).expect("a writable file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a schema");
    writer.write(&batch).expect("room on the disk");
    writer.close().expect("room on the disk");
}

fn columns(names: &Names, rows: &[ArchiveRow]) -> Vec<(&'static str, ArrayRef)> {
    let pings = || rows.iter().map(|row| &row.ping);
    let text = |of: fn(&VehiclePing) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(pings().map(of)))
    };
    let time = |of: &dyn Fn(&VehiclePing) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(pings().map(of)))
    };
    let number = |of: fn(&VehiclePing) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(pings().map(of)))
    };
    let seqs = pings().map(|ping| ping.seq.expect("loadgen numbers them") as i64);
    let locations = rows.iter().map(|row| row.location.as_str());
    vec![
        ("vehicle_id", text(|ping| Some(&ping.vehicle_id))),
        ("ping_id", text(|ping| ping.ping_id.as_deref())),
        ("seq", Arc::new(Int64Array::from_iter_values(seqs))),
        ("event_time", time(&|ping| ping.event_time_us)),
        ("lat", number(|ping| Some(ping.lat))),
        ("lon", number(|ping| Some(ping.lon))),
        ("altitude_m", number(|ping| ping.altitude_m)),
        ("accuracy_m", number(|ping| ping.accuracy_m)),
        ("speed_mps", number(|ping| ping.speed_mps)),
        ("heading_deg", number(|ping| ping.heading_deg)),
        ("odometer_m", number(|ping| ping.odometer_m)),
        ("ignition", Arc::new(BooleanArray::from_iter(pings().map(|ping| ping.ignition)))),
        ("engine_rpm", number(|ping| ping.engine_rpm)),
        ("fuel_percent", number(|ping| ping.fuel_percent)),
        ("battery_percent", number(|ping| ping.battery_percent)),
        ("driver_id", text(|ping| ping.driver_id.as_deref())),
        ("route_id", text(|ping| ping.route_id.as_deref())),
        ("trip_id", text(|ping| ping.trip_id.as_deref())),
        ("location", Arc::new(StringArray::from_iter_values(locations))),
        ("receive_time", time(&|_| names.start_ms * 1000)),
        ("disposition", text(|_| Some("on_time"))),
        ("day", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.day)))),
    ]
}
