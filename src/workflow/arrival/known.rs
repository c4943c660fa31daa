//! Days that once ended apart, by the fault that they showed: kept for ever.

use super::day::{Gene, Genes};

/// Kind, which, at, bits, delay, again.
type Numbers = (u8, u8, u8, u16, u8, u8);

fn gene((kind, which, at, bits, delay, again): Numbers) -> Gene {
    Gene {
        kind,
        which,
        at,
        bits,
        delay,
        again,
    }
}

fn genes(orders: [Numbers; 4], others: &[Numbers]) -> Genes {
    Genes {
        orders: orders.map(gene).to_vec(),
        others: others.iter().copied().map(gene).collect(),
    }
}

/// No order of that number.
const NONE: Numbers = (0, 0, 0, 0, 0, 0);
/// In time.
const PLAIN: Numbers = (0, 0, 0, 7, 0, 0);
/// After everything else.
const LATE: Numbers = (0, 0, 0, 7, 99, 0);

/// Every known day with the fault's name.
pub fn days() -> Vec<(&'static str, Genes)> {
    vec![
        (
            "a cancel dated before its order was ignored",
            genes([PLAIN, NONE, NONE, NONE], &[(1, 0, 0, 3, 30, 0)]),
        ),
        (
            "a performed step before its order stayed unscheduled",
            genes([LATE, NONE, NONE, NONE], &[(9 + 5, 0, 0, 0x0c03, 0, 0)]),
        ),
    ]
}
