//! What the bytes of messages and dead letters are, in the words of their
//! `content-type`.

/// A `VehiclePing`, which is what pings are where nothing else is said.
pub(crate) const PING: &str = "application/x-protobuf";

/// An operation on an event.
pub(crate) const EVENT: &str = "application/x-protobuf; messageType=fleet.events.v1.FleetEvent";
