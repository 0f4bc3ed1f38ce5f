//! What a feature says of itself besides its geometry.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::note::Refusal;
use crate::Schedule;
use crate::fence::{FENCE_ID_CHARS_MAX, FenceSettings};
use crate::tag_change::is_tag;

/// Longest dwell threshold and shortest stay, seconds: 31 days.
const DURATION_S_MAX: u32 = 31 * 86_400;
/// Most outside pings that may be asked to confirm an exit.
const EXIT_CONFIRM_MAX: u32 = 10;

/// The id: the feature's `id`, else `id` in its properties, else its `name`
/// there. Whole numbers of 64 bits are taken as they are written, others not.
pub(super) fn id(
    of_feature: Option<&Value>,
    properties: &Map<String, Value>,
) -> Result<String, Refusal> {
    let candidates = [of_feature, properties.get("id"), properties.get("name")];
    let found = candidates.into_iter().flatten().find(|value| !value.is_null());
    let id = match found.ok_or(Refusal::IdMissing)? {
        Value::String(text) => text.clone(),
        // Read into floating point: others, written otherwise, are read as the same.
        Value::Number(number) if number.is_f64() => {
            return Err(Refusal::IdInvalid(format!(
                "is a number that is read as {number}, not kept as it is written: write the id as \
                 text"
            )));
        }
        Value::Number(number) => number.to_string(),
        other => return Err(Refusal::IdInvalid(format!("is {other}: text or a number is needed"))),
    };
    match id.chars().count() {
        0 => Err(Refusal::IdInvalid("is empty".into())),
        n if n > FENCE_ID_CHARS_MAX => Err(Refusal::IdInvalid(format!(
            "has {n} characters; at most {FENCE_ID_CHARS_MAX} are allowed"
        ))),
        _ if id.chars().any(char::is_control) => {
            Err(Refusal::IdInvalid(format!("{id:?} holds a control character")))
        }
        _ => Ok(id),
    }
}

/// The name, if one is given.
pub(super) fn name(properties: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match given(properties, "name") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(value) => Err(invalid("name", value, "text")),
    }
}

/// The tags, sorted, each once; each is one that a vehicle could have.
pub(super) fn tags(properties: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let Some(value) = given(properties, "tags") else { return Ok(Vec::new()) };
    let needed = "a list of texts of 1 to 64 characters without control characters";
    let list = value.as_array().ok_or_else(|| invalid("tags", value, needed))?;
    let tag = |item: &Value| match item.as_str() {
        None => Err(invalid("tags", value, needed)),
        Some(tag) if !is_tag(tag) => Err(invalid("tags", item, needed)),
        Some(tag) => Ok(tag.to_owned()),
    };
    let mut tags = list.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// The opening hours, if there are any.
pub(super) fn schedule(properties: &Map<String, Value>) -> Result<Option<Arc<Schedule>>, Refusal> {
    let Some(value) = given(properties, "schedule") else { return Ok(None) };
    Ok(Some(Arc::new(Schedule::read(value)?)))
}

/// The settings the fence has of its own.
pub(super) fn settings(properties: &Map<String, Value>) -> Result<FenceSettings, Refusal> {
    Ok(FenceSettings {
        dwell_s: dwell_s(properties)?,
        exit_confirm: whole(
            properties,
            "exit_confirm",
            1..=EXIT_CONFIRM_MAX,
            "a whole number of pings from 1 to 10",
        )?,
        min_inside_s: whole(
            properties,
            "min_inside_s",
            0..=DURATION_S_MAX,
            "a whole number of seconds from 0 to 2678400",
        )?,
    })
}

fn dwell_s(properties: &Map<String, Value>) -> Result<Option<Vec<u32>>, Refusal> {
    let Some(value) = given(properties, "dwell_s") else { return Ok(None) };
    let one = std::slice::from_ref(value);
    let list = value.as_array().map_or(one, Vec::as_slice);
    let seconds: Option<Vec<u32>> = list
        .iter()
        .map(|item| as_whole(item).filter(|s| (1..=DURATION_S_MAX).contains(s)))
        .collect();
    let mut seconds = seconds.ok_or_else(|| {
        invalid("dwell_s", value, "whole seconds from 1 to 2678400, one number or a list of them")
    })?;
    seconds.sort_unstable();
    seconds.dedup();
    Ok(Some(seconds))
}

fn whole(
    properties: &Map<String, Value>,
    property: &'static str,
    range: std::ops::RangeInclusive<u32>,
    needed: &'static str,
) -> Result<Option<u32>, Refusal> {
    let Some(value) = given(properties, property) else { return Ok(None) };
    as_whole(value)
        .filter(|number| range.contains(number))
        .map(Some)
        .ok_or_else(|| invalid(property, value, needed))
}

/// A whole number, written as one or with a zero fraction (`300.0`).
fn as_whole(value: &Value) -> Option<u32> {
    let number = value.as_f64()?;
    let whole = number as u32;
    (f64::from(whole) == number).then_some(whole)
}

/// A property that is there and not null.
fn given<'a>(properties: &'a Map<String, Value>, property: &str) -> Option<&'a Value> {
    properties.get(property).filter(|value| !value.is_null())
}

fn invalid(property: &'static str, value: &Value, needed: &'static str) -> Refusal {
    Refusal::PropertyInvalid { property, value: value.to_string(), needed }
}
