//! Who may come in: so many connections in all, and so many of one address.

use super::MllpSettings;
use metrics::{counter, gauge};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::warn;

/// Refusals are written to the log once in this time: a flood of connections must not become a flood of lines.
const QUIET: Duration = Duration::from_secs(10);

type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Counts the connections that are open.
pub(super) struct Door {
    most: usize,
    most_of_one: usize,
    open: Open,
    refused: u64,
    told: Option<Instant>,
}

impl Door {
    pub(super) fn new(settings: &MllpSettings) -> Self {
        Self {
            most: settings.max_connections,
            most_of_one: settings.max_connections_per_address,
            open: Open::default(),
            refused: 0,
            told: None,
        }
    }

    /// A pass, to be kept as long as the connection lives; `None` if it is one too many and is to be closed.
    pub(super) fn let_in(&mut self, peer: SocketAddr) -> Option<Pass> {
        let address = peer.ip();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = open.get(&address).copied().unwrap_or(0);
        let limit = if open.values().sum::<usize>() >= self.most {
            "all"
        } else if of_one >= self.most_of_one {
            "address"
        } else {
            open.insert(address, of_one + 1);
            drop(open);
            gauge!("relais_mllp_connections").increment(1);
            return Some(Pass {
                address,
                open: Arc::clone(&self.open),
            });
        };
        drop(open);
        self.refuse(peer, limit);
        None
    }

    fn refuse(&mut self, peer: SocketAddr, limit: &'static str) {
        counter!("relais_mllp_connections_refused_total", "limit" => limit).increment(1);
        self.refused += 1;
        if self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            warn!(%peer, limit, refused = self.refused, most = self.most, most_of_one_address = self.most_of_one, "mllp connections refused: limit reached");
            self.told = Some(Instant::now());
            self.refused = 0;
        }
    }
}

/// One open connection.
pub(super) struct Pass {
    address: IpAddr,
    open: Open,
}

impl Drop for Pass {
    fn drop(&mut self) {
        gauge!("relais_mllp_connections").decrement(1);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_shut_all_others_out() {
        let mut door = Door::new(&MllpSettings {
            max_connections: 4,
            max_connections_per_address: 2,
            ..MllpSettings::default()
        });
        let peer = |n: u8, port: u16| SocketAddr::from(([10, 0, 0, n], port));
        let mut passes: Vec<Pass> = (0..2).filter_map(|p| door.let_in(peer(1, p))).collect();
        assert!(
            door.let_in(peer(1, 3)).is_none(),
            "one too many of an address"
        );
        passes.extend((0..2).filter_map(|p| door.let_in(peer(2, p))));
        assert_eq!(passes.len(), 4);
        assert!(door.let_in(peer(3, 1)).is_none(), "one too many of all");
        passes.remove(0);
        passes.extend(door.let_in(peer(1, 4)));
        assert_eq!(passes.len(), 4);
        drop(passes);
        assert!(door.open.lock().expect("no panic").is_empty());
    }
}
