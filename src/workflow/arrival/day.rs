//! A generated day: what is said (one entry a message), and when each copy of it arrives.
//!
//! Few patients and few orders, so that everything collides. A day is made from plain numbers ([`Gene`]): shrinking a failure makes the
//! numbers small and the list short, and a failure found once is written down as numbers.

mod messages;

use crate::domain::command::Command;
use crate::domain::policy::{
    CancelAfterStart, DiscontinuedWithoutImages, DuplicateMpps, MissingStudyUid, MppsConformance,
    Policy, UnknownOrder,
};
use crate::domain::time::Role;
use messages::{new_order, other};
use proptest::prelude::*;

/// What one message is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gene {
    /// Sort of message, see [`KINDS`].
    pub kind: u8,
    /// Which order (or patient).
    pub which: u8,
    /// Minute of the day, relative to the sort's usual time.
    pub at: u8,
    /// Everything else, bit by bit.
    pub bits: u16,
    /// Minutes on the way; 0 = at once.
    pub delay: u8,
    /// Minutes until it is sent again; 0 = once.
    pub again: u8,
}

/// The genes of a day: one for each new order (`kind` is not used), then the other messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genes {
    /// What the site chose, bit by bit; 0 = nothing but defaults.
    pub site: u8,
    pub orders: Vec<Gene>,
    pub others: Vec<Gene>,
}

/// Who speaks, as far as the reference order treats them differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voice {
    /// An order message about these orders.
    Order(Vec<u8>),
    /// Demographics of an identifier.
    Demographics(&'static str),
    /// A40 or A47: prior identifier and surviving one; true for A47.
    Identity(&'static str, &'static str, bool),
    /// A report on an order.
    Report(u8),
    /// A scanner, about the performed step of this UID.
    Scanner(String),
}

/// A message as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Sort, for the coverage.
    pub kind: &'static str,
    pub voice: Voice,
    /// Minute of the day at which it was said.
    pub at: i64,
    pub commands: Vec<Command>,
    pub bits: u16,
}

/// One copy of a message on its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Index of the message.
    pub said: usize,
    /// Minute of arrival.
    pub slot: i64,
    /// Sent again under another control id: the door does not recognise it.
    pub renamed: bool,
}

/// A day.
#[derive(Debug, Clone)]
pub struct Day {
    pub policy: Policy,
    pub said: Vec<Said>,
    /// In order of arrival.
    pub arrivals: Vec<Copy>,
}

/// Sorts of messages: name, usual minute, weight.
const KINDS: [(&str, i64, u32); 21] = [
    ("change", 10, 10),
    ("cancel", 20, 4),
    ("discontinue", 25, 1),
    ("hold", 12, 3),
    ("release", 16, 3),
    ("status", 20, 2),
    ("replace", 15, 2),
    ("two orders", 5, 2),
    ("admit", 0, 4),
    ("update", 10, 8),
    ("merge", 30, 5),
    ("merge further", 40, 4),
    ("change of id", 30, 2),
    ("report", 35, 9),
    ("n-create", 40, 6),
    ("n-create again", 60, 6),
    ("n-set", 50, 3),
    ("n-set final", 60, 6),
    ("n-set final again", 80, 2),
    ("arrive", 12, 3),
    ("cancel visit", 18, 4),
];

/// The sort of that name, for days written by hand.
pub fn kind_of(name: &str) -> u8 {
    let at = (0_u8..).zip(KINDS).find(|(_, k)| k.0 == name);
    at.map(|(i, _)| i)
        .unwrap_or_else(|| panic!("no sort {name}"))
}

/// What a site may choose. Most sites choose little.
fn policy(site: u8) -> Policy {
    let bit = |n: u16| bit(u16::from(site), n);
    let mut policy = Policy::default();
    if bit(0) && bit(1) {
        policy.unknown_order = UnknownOrder::Refuse;
    }
    if bit(0) && bit(2) && bit(3) {
        policy.missing_study_uid = MissingStudyUid::Reject;
    }
    if bit(4) {
        policy.cancel_after_start = CancelAfterStart::Flag;
    }
    if bit(5) {
        policy.discontinued_without_images = DiscontinuedWithoutImages::Discontinue;
    }
    if bit(6) {
        policy.duplicate_mpps = DuplicateMpps::Accept;
    }
    if bit(7) {
        policy.mpps = MppsConformance::Strict;
    }
    policy
}

/// Days of six to twenty-five messages beside the new orders.
pub fn days() -> impl Strategy<Value = Genes> {
    let kinds: Vec<(u32, Just<u8>)> = (0_u8..).zip(KINDS).map(|(i, k)| (k.2, Just(i))).collect();
    let kind = prop::strategy::Union::new_weighted(kinds);
    let delay = prop_oneof![1 => Just(0_u8), 1 => 1..100_u8];
    let again = prop_oneof![4 => Just(0_u8), 1 => 1..60_u8];
    let gene = (kind, 0..4_u8, 0..20_u8, any::<u16>(), delay, again).prop_map(
        |(kind, which, at, bits, delay, again)| Gene {
            kind,
            which,
            at,
            bits,
            delay,
            again,
        },
    );
    let orders = prop::collection::vec(gene.clone(), 4);
    let others = prop::collection::vec(gene, 6..26);
    (any::<u8>(), orders, others).prop_map(|(site, orders, others)| Genes {
        site,
        orders,
        others,
    })
}

impl Day {
    /// The day of these genes.
    pub fn of(genes: &Genes) -> Self {
        let mut day = Self {
            policy: policy(genes.site),
            said: vec![],
            arrivals: vec![],
        };
        for (n, gene) in (0_u8..).zip(&genes.orders) {
            // Sometimes the order never comes.
            if gene.bits % 8 != 0 {
                let mut gene = *gene;
                gene.which = n;
                day.say(&gene, new_order(&gene));
            }
        }
        for (i, gene) in genes.others.iter().enumerate() {
            day.say(gene, other(gene, i));
        }
        day.arrivals.sort_by_key(|copy| copy.slot);
        day
    }

    fn say(&mut self, gene: &Gene, said: Said) {
        let index = self.said.len();
        let slot = said.at.max(0) + i64::from(gene.delay);
        self.arrivals.push(Copy {
            said: index,
            slot,
            renamed: false,
        });
        if gene.again > 0 {
            // A scanner has no control ids: what it sends again always arrives.
            let named = !matches!(said.voice, Voice::Scanner(_));
            self.arrivals.push(Copy {
                said: index,
                slot: slot + i64::from(gene.again),
                renamed: named && gene.bits & 0x8000 != 0,
            });
        }
        self.said.push(said);
    }

    /// The day without some messages.
    pub fn without(&self, gone: &std::collections::BTreeSet<usize>) -> Self {
        let kept = self.arrivals.iter().filter(|c| !gone.contains(&c.said));
        Self {
            policy: self.policy,
            said: self.said.clone(),
            arrivals: kept.copied().collect(),
        }
    }
}

impl Said {
    /// Role of the link that it comes by.
    pub fn role(&self) -> Role {
        match self.voice {
            Voice::Order(_) => Role::Scheduled,
            Voice::Demographics(_) | Voice::Identity(..) => Role::Adt,
            Voice::Report(_) => Role::Mention,
            Voice::Scanner(_) => Role::Scanner,
        }
    }
}

fn bit(bits: u16, n: u16) -> bool {
    bits >> n & 1 == 1
}
