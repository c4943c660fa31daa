//! Who is silent: when each link last sent and each device last asked, and what the device was answered.
//!
//! The labels are the links of the configuration and the devices of the site's station table; whoever else asks is `other`.

use crate::domain::time::Instant;

/// Label of devices that the site's station table does not name.
const OTHER: &str = "other";

/// A message came over a link. Also called once at the start, so that a link that never speaks is seen.
pub fn heard(link: &str, at: Instant) {
    metrics::gauge!("relais_link_last_message_timestamp_seconds", "link" => link.to_owned())
        .set(at.seconds());
}

/// A device is known and has not asked yet.
pub fn expected(device: &str, at: Instant) {
    metrics::gauge!("relais_device_last_query_timestamp_seconds", "device" => device.to_owned())
        .set(at.seconds());
    metrics::counter!("relais_device_queries_total", "device" => device.to_owned()).increment(0);
    metrics::counter!("relais_device_items_total", "device" => device.to_owned()).increment(0);
}

/// A device asked for its worklist and was answered so many items.
pub fn asked(device: Option<&str>, items: u64, at: Instant) {
    let device = device.unwrap_or(OTHER);
    expected(device, at);
    metrics::counter!("relais_device_queries_total", "device" => device.to_owned()).increment(1);
    metrics::counter!("relais_device_items_total", "device" => device.to_owned()).increment(items);
}
