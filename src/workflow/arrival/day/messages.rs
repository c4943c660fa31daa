//! What each sort of message says, from the numbers of its gene.

use super::{Gene, KINDS, Said, Voice, bit};
use crate::domain::command::{Command, OrderAct, PatientAct};
use crate::domain::testing::{adt, create, order, record, set};

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

/// The message that places an order.
pub(super) fn new_order(gene: &Gene) -> Said {
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

/// Any other message of the day; `i` tells its values from those of the others.
pub(super) fn other(gene: &Gene, i: usize) -> Said {
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
