//! A generated day: what is said (one entry a message), and when each copy of it arrives.
//!
//! Few patients and few orders, so that everything collides. A day is made from plain numbers ([`Gene`]): shrinking a failure makes the
//! numbers small and the list short, and a failure found once is written down as numbers.

use crate::domain::command::{Command, OrderAct, PatientAct};
use crate::domain::policy::{
    CancelAfterStart, DiscontinuedWithoutImages, DuplicateMpps, MissingStudyUid, MppsConformance,
    Policy, UnknownOrder,
};
use crate::domain::testing::{adt, create, order, record, set};
use crate::domain::time::Role;
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

/// Identifier under which each order is placed, and the one that a merge or change of id gives its patient.
const PATIENTS: [(&str, &str); 4] = [
    ("4711", "4711"),
    ("4712", "4712"),
    ("TMP", "4711"),
    ("4713", "4714"),
];
/// Everyone whom the patient administration speaks of, some more often.
const PEOPLE: [&str; 9] = [
    "4711", "4711", "4711", "4711", "4712", "TMP", "4713", "4714", "4716",
];

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

/// The patient and numbers of an order: the placer number always, the others as the bits say.
fn numbers(n: u8, bits: u16) -> String {
    let (old, new) = PATIENTS[usize::from(n)];
    let patient = if bits % 8 == 1 { new } else { old };
    let mut text = format!("patient.id={patient}^HOPA order.placer_number=P{n}^RIS");
    for (i, more) in [
        format!(" order.filler_number=F{n}^RIS"),
        format!(" order.accession_number=A{n}^RIS"),
        // Order 3 leaves the study UID to Relais.
        if n == 3 {
            String::new()
        } else {
            format!(" procedure.id=RP{n} procedure.study_instance_uid=1.2.3.{n}")
        },
    ]
    .iter()
    .enumerate()
    {
        if bit(bits, 3 + i as u16) {
            text.push_str(more);
        }
    }
    text
}

/// Step ids of an order: order 1 has two steps, order 3 states none.
fn steps(n: u8) -> &'static [&'static str] {
    [&["S01"][..], &["S11", "S12"], &["S21"], &[""]][usize::from(n)]
}

fn rows(n: u8, bits: u16, fields: &str) -> String {
    let mut text = String::new();
    for (i, id) in steps(n).iter().enumerate() {
        // An act may speak of one of two steps only.
        if steps(n).len() > 1 && bits % 4 == i as u16 {
            continue;
        }
        text.push_str(" / step");
        if !id.is_empty() {
            text.push_str(&format!(" id={id}"));
        }
        if !fields.is_empty() {
            text.push_str(&format!(" {fields}"));
        }
    }
    text
}

fn new_order(gene: &Gene) -> Said {
    let n = gene.which;
    let at = i64::from(n) * 2;
    Said {
        kind: "new order",
        voice: Voice::Order(vec![n]),
        at,
        commands: vec![placed(n, gene.bits)],
        bits: gene.bits,
    }
}

fn placed(n: u8, bits: u16) -> Command {
    let named = format!(" patient.name=ORDRE{n}^Zoé patient.sex=F");
    let station = if bit(bits, 9) { " station_aes=CT1" } else { "" };
    order(
        OrderAct::Schedule,
        &format!(
            "{}{named} procedure.code=C{n} visit.number=V{n}^HOPA{}",
            numbers(n, 0x38),
            rows(n, 2, &format!("modality=CT start=20260602090{n}{station}"))
        ),
    )
}

/// Fields that a change states: few, so that several changes meet on one.
fn change(n: u8, bits: u16, i: usize) -> Command {
    let mut top = numbers(n, bits);
    if bit(bits, 8) {
        top.push_str(&format!(" procedure.code=X{i}"));
    }
    if bit(bits, 9) {
        top.push_str(if bit(bits, 10) {
            " order.priority="
        } else {
            " order.priority=stat"
        });
    }
    if bit(bits, 11) {
        top.push_str(&format!(" patient.name=CHANGE{i}^Zoé"));
    }
    let fields = match bits >> 12 & 3 {
        // A day without time of day is taken as it is said.
        0 if bit(bits, 14) => "start=20260602".to_owned(),
        0 => format!("start=2026060210{:02}", i % 60),
        1 => format!("description=D{i} station_aes=CT{}", i % 3),
        2 => "description=".to_owned(),
        _ => "status=arrived".to_owned(),
    };
    order(OrderAct::Change, &(top + &rows(n, 2, &fields)))
}

/// An act on an order; sometimes on steps that it names.
fn act(act: OrderAct, n: u8, bits: u16) -> Command {
    // Of two steps the message says which: what is said of a whole order concerns the steps that are known by then.
    let named = bit(bits, 6) || steps(n).len() > 1;
    let rows = if named {
        rows(n, bits >> 7, "")
    } else {
        String::new()
    };
    order(act, &(numbers(n, bits) + &rows))
}

fn other(gene: &Gene, i: usize) -> Said {
    let (kind, usual, _) = KINDS[usize::from(gene.kind)];
    let (n, bits) = (gene.which, gene.bits);
    let mut at = usual + i64::from(gene.at);
    let order_voice = Voice::Order(vec![n]);
    let (voice, commands) = match kind {
        "change" => (order_voice, vec![change(n, bits, i)]),
        "cancel" => {
            if bits % 16 < 4 {
                // A clock that goes wrong: older than the order itself.
                at = -5;
            }
            (order_voice, vec![act(OrderAct::Cancel, n, bits)])
        }
        "discontinue" => (order_voice, vec![act(OrderAct::Discontinue, n, bits)]),
        "hold" => (order_voice, vec![act(OrderAct::Hold, n, bits)]),
        "release" => (order_voice, vec![act(OrderAct::Release, n, bits)]),
        "status" => {
            let word = if bit(bits, 10) {
                OrderAct::Start
            } else {
                OrderAct::Complete
            };
            at += if bit(bits, 10) { 0 } else { 60 };
            (order_voice, vec![act(word, n, bits)])
        }
        "replace" => {
            let new = (n + 1) % 4;
            let commands = vec![act(OrderAct::Cancel, n, bits), placed(new, bits)];
            (Voice::Order(vec![n, new]), commands)
        }
        "two orders" => {
            let new = (n + 1) % 4;
            let commands = vec![placed(n, bits), change(new, bits, i)];
            (Voice::Order(vec![n, new]), commands)
        }
        "admit" | "update" | "arrive" | "cancel visit" => demographics(kind, gene, i),
        "merge" => identity("TMP", "4711", PatientAct::Merge, bits, i),
        "merge further" => identity("4711", "4716", PatientAct::Merge, bits, i),
        "change of id" => identity("4713", "4714", PatientAct::ChangeId, bits, i),
        // Mostly on two orders, so that their versions meet.
        "report" => report(if bit(bits, 12) { n } else { n % 2 }, bits, i),
        _ => scanner(
            kind,
            [0, 1, 2, 3, 0, 0, 1, 0][usize::from(n) + usize::from(bits >> 13 & 1) * 4],
            bits,
        ),
    };
    Said {
        kind,
        voice,
        at,
        commands,
        bits,
    }
}

fn demographics(kind: &str, gene: &Gene, i: usize) -> (Voice, Vec<Command>) {
    let who = PEOPLE[usize::from(gene.bits) % PEOPLE.len()];
    let mut text = format!("patient.id={who}^HOPA");
    for (n, field) in [
        format!(" patient.name=N{i}^Zoé"),
        format!(" patient.birth_date=198{}0203", i % 10),
        " patient.sex=".to_owned(),
        format!(" visit.number=V{i}^HOPA"),
    ]
    .iter()
    .enumerate()
    {
        if bit(gene.bits, 8 + n as u16) {
            text.push_str(field);
        }
    }
    // Not of who changes the identifier: what else they had is retired with the old one only if the new one was known (A47).
    if bit(gene.bits, 12) && !matches!(who, "4713" | "4714") {
        text.push_str(&format!(
            " patient.identifiers={who}^HOPA patient.identifiers=R{who}^REGION"
        ));
    }
    let act = match kind {
        "admit" => PatientAct::Admit,
        "arrive" => PatientAct::Arrive,
        "cancel visit" => PatientAct::CancelVisit,
        _ => PatientAct::Update,
    };
    (Voice::Demographics(who), vec![adt(act, &text)])
}

fn identity(
    from: &'static str,
    into: &'static str,
    act: PatientAct,
    bits: u16,
    i: usize,
) -> (Voice, Vec<Command>) {
    let name = if bit(bits, 8) {
        format!(" patient.name=M{i}^Zoé")
    } else {
        String::new()
    };
    let text = format!("patient.id={into}^HOPA patient.merged_ids={from}^HOPA{name}");
    let voice = Voice::Identity(from, into, act == PatientAct::ChangeId);
    (voice, vec![adt(act, &text)])
}

fn report(n: u8, bits: u16, i: usize) -> (Voice, Vec<Command>) {
    let status = ["preliminary", "final", "corrected", "final"][usize::from(bits >> 8 & 3)];
    let (patient, _) = PATIENTS[usize::from(n)];
    // All messages of one report name it alike.
    let placer = if n.is_multiple_of(2) {
        format!(" report.placer_number=P{n}^RIS")
    } else {
        String::new()
    };
    let text = format!(
        "patient.id={patient}^HOPA report.id=R{n}^RIS report.accession_numbers=A{n}^RIS{placer} report.status={status} report.text=T{i}"
    );
    (Voice::Report(n), vec![Command::Report(record(&text))])
}

fn scanner(kind: &str, n: u8, bits: u16) -> (Voice, Vec<Command>) {
    let again = kind.ends_with("again");
    let uid = format!("1.9.{n}.{}", if again { 2 } else { 1 });
    let command = match kind {
        "n-create" | "n-create again" => create(&uid, &performed(n, bits)),
        "n-set" => set(
            &uid,
            &format!(
                "performed_step.description=D{} / series uid=1.9.{n}.5",
                bits >> 8
            ),
        ),
        _ => set(&uid, &ended(n, bits)),
    };
    (Voice::Scanner(uid), vec![command])
}

fn performed(n: u8, bits: u16) -> String {
    let (old, new) = PATIENTS[usize::from(n)];
    let patient = match bits % 8 {
        0 => "9999",
        1 | 2 => new,
        _ => old,
    };
    let mut text = format!(
        "performed_step.id=PPS{n} performed_step.status=in_progress performed_step.modality=CT performed_step.patient_id={patient}"
    );
    let group = n == 1 && bit(bits, 9);
    for id in steps(n).iter().take(if group { 2 } else { 1 }) {
        text.push_str(&match (n, bits >> 10 & 3) {
            (3, _) => format!(" / link accession_number=A{n}"),
            (_, 0) => format!(" / link accession_number=A{n} step_id={id}"),
            (_, 1) => format!(" / link procedure_id=RP{n} step_id={id}"),
            _ => format!(" / link study_instance_uid=1.2.3.{n} accession_number=A{n} step_id={id}"),
        });
    }
    text
}

fn ended(n: u8, bits: u16) -> String {
    match bits >> 8 & 7 {
        0 => "performed_step.status=discontinued".to_owned(),
        1 => "performed_step.status=discontinued performed_step.discontinuation_reason=110514"
            .to_owned(),
        2 => format!(
            "performed_step.status=discontinued / series uid=1.9.{n}.5 // instance uid=1.9.{n}.6"
        ),
        _ => format!(
            "performed_step.status=completed / series uid=1.9.{n}.5 // instance uid=1.9.{n}.6"
        ),
    }
}
