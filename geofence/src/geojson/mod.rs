//! Fences from GeoJSON (RFC 7946) and back.
//!
//! Read are a `FeatureCollection`, one `Feature` or a bare geometry. A fence's
//! id is the feature's `id`, else `id` in its properties, else its `name`
//! there; a bare geometry is the fence `fence`. Known `properties` are `id`,
//! `name`, `tags`, `schedule`, `radius_m`, `half_width_m`, `dwell_s`,
//! `exit_confirm` and `min_inside_s`; others are ignored.
//!
//! One bad feature spoils no other: it is refused by name and place, and the
//! rest are read. What has one plain reading is mended and told: unclosed
//! rings, repeated vertices, spikes, rings that cross (nonzero reading: all a
//! ring goes round is inside), what is drawn twice, overlapping parts. Rings
//! that merely touch mean the same however they are read, and are taken as they
//! are. Where features share an id all of them are refused, as none can be known
//! to be meant.

mod collection;
mod feature;
mod geometry;
mod note;
mod properties;
mod reader;
mod rings;
mod write;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use feature::Feature;
pub use note::FenceNote;
use note::{Refusal, Repair};
pub use reader::FencesReader;
use reader::Known;
pub(crate) use write::{write_fence, write_fences, write_pieces};

use crate::threads::{self, Cores};
use crate::{Fence, FenceSet};

/// Id of the fence that a bare geometry is.
const BARE_ID: &str = "fence";

/// Geometry types of RFC 7946 §1.4.
const GEOMETRIES: [&str; 7] = [
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
];

/// What a GeoJSON document gave.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The fences that can be used.
    pub set: FenceSet,
    /// What was mended in them, in document order.
    pub repairs: Vec<FenceNote>,
    /// The features that cannot be used, in document order.
    pub refusals: Vec<FenceNote>,
}

/// [`Parsed`], but fences without an index yet.
#[derive(Clone, Debug)]
pub struct FencesRead {
    /// The fences that can be used, in document order; their ids differ.
    pub fences: Vec<Fence>,
    /// See [`Parsed::repairs`].
    pub repairs: Vec<FenceNote>,
    /// See [`Parsed::refusals`].
    pub refusals: Vec<FenceNote>,
}

/// The document as a whole is no GeoJSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FencesError {
    /// No JSON, or cut short: mend the file at the place given.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON of another kind.
    #[error("not GeoJSON: {0}")]
    NotGeoJson(String),
}

/// Reads fences from the bytes of a GeoJSON document.
///
/// # Errors
/// Only when the bytes as a whole are no GeoJSON; single features are refused
/// one by one in [`Parsed::refusals`].
///
/// ```
/// let parsed = geofence::parse_fences(br#"{"type": "Feature", "id": "depot",
///     "properties": {"name": "Depot", "radius_m": 50},
///     "geometry": {"type": "Point", "coordinates": [10.020, 50.005]}}"#)?;
/// assert!(parsed.refusals.is_empty());
/// assert_eq!(parsed.set.fences()[0].name, "Depot");
/// # Ok::<(), geofence::FencesError>(())
/// ```
pub fn parse_fences(bytes: &[u8]) -> Result<Parsed, FencesError> {
    let none = FenceSet::empty();
    let FencesRead { fences, repairs, refusals } =
        taken(read_features(bytes, &Known::default(), &none)?);
    let set = FenceSet::after(&none, fences).expect("features that share an id were refused");
    Ok(Parsed { set, repairs, refusals })
}

/// Reads the features of a document, each under its id or its number.
fn read_features(
    bytes: &[u8],
    known: &Known,
    before: &FenceSet,
) -> Result<Vec<(String, Read)>, FencesError> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Some(read) = read_one_by_one(text, known, before) {
        return Ok(read);
    }
    let document: Value =
        serde_json::from_slice(text).map_err(|error| FencesError::NotJson(error.to_string()))?;
    let no_geojson = |what: String| Err(FencesError::NotGeoJson(what));
    let Some(kind) = document.get("type").and_then(Value::as_str) else {
        return no_geojson("the document has no `type`".into());
    };
    let bare;
    let features: &[Value] = match kind {
        "FeatureCollection" => match document.get("features") {
            Some(Value::Array(features)) => features,
            _ => return no_geojson("the FeatureCollection has no array `features`".into()),
        },
        "Feature" => std::slice::from_ref(&document),
        _ if GEOMETRIES.contains(&kind) => {
            bare = serde_json::json!({"type": "Feature", "id": BARE_ID, "geometry": document});
            std::slice::from_ref(&bare)
        }
        _ => {
            return no_geojson(format!(
                "`type` is {kind:?}; FeatureCollection, Feature or a geometry is needed"
            ));
        }
    };
    let read = |(number, value): (usize, &Value)| {
        let feature =
            Feature::deserialize(value).map_err(|error| FencesError::NotJson(error.to_string()))?;
        Ok(read_feature(number, &feature))
    };
    features.iter().enumerate().map(read).collect()
}

/// Reads the features of a FeatureCollection without holding more of it than
/// its text and, on each thread, one of them. Shapes that `before` has are taken
/// from there. A feature that is JSON and yet
/// cannot be read, as it holds a number out of range or nests too deep, is
/// refused alone. Nothing if `text` is no FeatureCollection, or no JSON: whoever
/// reads it whole can say why.
fn read_one_by_one(text: &[u8], known: &Known, before: &FenceSet) -> Option<Vec<(String, Read)>> {
    let features = collection::features(std::str::from_utf8(text).ok()?)?;
    let read = |(): &mut (), number: usize, text: &&RawValue| {
        let hash = xxh3_128(text.get().as_bytes());
        if let Some(fence) = known.get(&hash) {
            let read = Ok((fence.clone(), Vec::new()));
            return (fence.id.clone(), Read { has_id: true, fence: read, text: Some(hash) });
        }
        let (label, mut read) = match serde_json::from_str(text.get()) {
            Ok(feature) => read_feature(number, &feature),
            Err(error) => nameless(number, unreadable(&error)),
        };
        if let Ok((fence, _)) = &mut read.fence {
            before.share_shape(fence);
        }
        (label, Read { text: Some(hash), ..read })
    };
    Some(threads::map(Cores::Spare, &features, || (), read))
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::FeatureInvalid(format!("{error}, counted from where the feature begins"))
}

/// What becomes of the features read.
fn taken(read: Vec<(String, Read)>) -> FencesRead {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, (label, read)) in read.iter().enumerate() {
        if read.has_id {
            places.entry(label).or_default().push(i);
        }
    }
    let duplicates: BTreeMap<String, Refusal> = places
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(id, places)| {
            let count = places.len();
            let places: Vec<String> = places.iter().map(usize::to_string).collect();
            (id.into(), Refusal::IdDuplicate { count, places: places.join(", ") })
        })
        .collect();

    let (mut fences, mut repairs, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    let mut duplicates_told = std::collections::BTreeSet::new();
    for (label, read) in read {
        if let Some(refusal) = duplicates.get(&label).filter(|_| read.has_id) {
            if duplicates_told.insert(label.clone()) {
                refusals.push(refusal.note(&label));
            }
            continue;
        }
        match read.fence {
            Ok((fence, mended)) => {
                repairs.extend(mended.iter().map(|repair| repair.note(&label)));
                fences.push(fence);
            }
            Err(refusal) => refusals.push(refusal.note(&label)),
        }
    }
    FencesRead { fences, repairs, refusals }
}

/// A feature read, under its id or its number.
struct Read {
    has_id: bool,
    fence: Result<(Fence, Vec<Repair>), Refusal>,
    /// Hash of the text that it was read from, if that is known.
    text: Option<u128>,
}

fn read_feature(number: usize, feature: &Feature) -> (String, Read) {
    if feature.kind.as_ref().and_then(Value::as_str) != Some("Feature") {
        return nameless(number, Refusal::FeatureInvalid("its `type` is not \"Feature\"".into()));
    }
    let none = Map::new();
    let properties = match &feature.properties {
        None | Some(Value::Null) => &none,
        Some(Value::Object(properties)) => properties,
        Some(_) => {
            return nameless(number, Refusal::FeatureInvalid("`properties` is no object".into()));
        }
    };
    match properties::id(feature.id.as_ref(), properties) {
        Err(refusal) => nameless(number, refusal),
        Ok(id) => {
            let fence = fence(&id, feature, properties);
            (id, Read { has_id: true, fence, text: None })
        }
    }
}

/// A feature that is refused before its id is known.
fn nameless(number: usize, refusal: Refusal) -> (String, Read) {
    (format!("feature {number}"), Read { has_id: false, fence: Err(refusal), text: None })
}

fn fence(
    id: &str,
    feature: &Feature,
    properties: &Map<String, Value>,
) -> Result<(Fence, Vec<Repair>), Refusal> {
    let mut repairs = Vec::new();
    let fence = Fence {
        id: id.into(),
        name: properties::name(properties)?.unwrap_or_else(|| id.into()),
        tags: properties::tags(properties)?,
        schedule: properties::schedule(properties)?,
        settings: properties::settings(properties)?,
        shape: geometry::shape(feature.geometry.as_ref(), properties, &mut repairs)?,
    };
    Ok((fence, repairs))
}
