//! Properties over many days: whatever arrives in whatever order, documents are what their events say, and messages that differ only
//! in arrival end in the same exam.

use super::*;
use OrderAct::{Cancel, Change, Complete, Hold, Release, Schedule, Start};
use PatientAct::{Admit, Merge, Update};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Some message about few patients and few orders: collisions wanted.
fn anything() -> impl Strategy<Value = Command> {
    let patient = prop::sample::select(vec!["1^HOPA", "2^HOPA", "3^HOPA"]);
    let number = prop::sample::select(vec!["1", "2", "3"]);
    let act = prop::sample::select(OrderAct::ALL.to_vec());
    let merged = prop::sample::select(vec!["1^HOPA", "2^HOPA"]);
    let status = prop::sample::select(vec!["preliminary", "final", "corrected"]);
    let pps = prop::sample::select(vec!["in_progress", "completed", "discontinued"]);
    let which = 0..8_u8;
    (which, patient, number, act, merged, status, pps).prop_map(
        |(which, patient, n, act, merged, status, pps)| match which {
            0 => adt(Update, &format!("patient.id={patient} patient.name=N{n}")),
            1 => adt(Merge, &format!("patient.id={patient} patient.merged_ids={merged}")),
            2 => create(
                n,
                &format!("performed_step.status={pps} performed_step.patient_id={n} / link accession_number=A{n}^RIS / series uid=9 // instance uid={n}"),
            ),
            3 => set(n, &format!("performed_step.status={pps} / series uid={n}")),
            4 => Command::Report(record(&format!(
                "patient.id={patient} report.id=R{n}^RIS report.accession_numbers=A{n}^RIS report.status={status} report.text={n}"
            ))),
            _ => order(
                act,
                &format!(
                    "patient.id={patient} order.placer_number=P{n}^RIS order.accession_number=A{n}^RIS \
                     procedure.code=C{which} / step id=S{which} start=20260602090{n} modality=CT"
                ),
            ),
        },
    )
}

/// Values of an exam's fields, and the status of its steps: what must not depend on arrival.
fn picture(day: &Day) -> BTreeMap<String, String> {
    let mut picture = BTreeMap::new();
    for exam in day.world.exams.values().map(|d| &d.doc) {
        let order = exam.order.text("placer_number").unwrap_or("").to_owned();
        let sections = [
            ("order", &exam.order),
            ("procedure", &exam.procedure),
            ("visit", &exam.visit),
        ];
        for (section, fields) in sections {
            for (name, field) in &fields.0 {
                picture.insert(
                    format!("{order} {section}.{name}"),
                    format!("{:?}", field.values),
                );
            }
        }
        for step in &exam.steps {
            let id = format!("{order} {}", step.sps_id);
            picture.insert(format!("{id} status"), step.status.value.word().to_owned());
            picture.insert(format!("{id} held"), step.held.value.to_string());
            for (name, field) in &step.fields.0 {
                picture.insert(format!("{id} {name}"), format!("{:?}", field.values));
            }
        }
    }
    for patient in day.world.patients.values().map(|d| &d.doc) {
        let name = format!("{:?}", patient.fields.values("name"));
        picture.insert(
            format!("patient {}", patient.fields.text("id").unwrap_or("")),
            name,
        );
    }
    picture
}

/// A day of one RIS, one patient administration and one scanner: minute of each message, and the message. The scanner's messages come
/// after the order that they answer and in their own order, as its queue sends them.
fn day_of(ris: &[usize], end: usize) -> Vec<(i64, Command)> {
    let top = "patient.id=4711^HOPA order.placer_number=P1^RIS order.accession_number=A1^RIS procedure.id=RP1 \
        procedure.study_instance_uid=1.2.3.1";
    let step = |more: &str| format!("{top} / step id=S1 {more}");
    let mut day = vec![
        (
            0,
            order(
                Schedule,
                &step("modality=CT start=202606020900 description=TDM"),
            ),
        ),
        (
            1,
            adt(Admit, "patient.id=4711^HOPA patient.name=LEFÈVRE^Zoé"),
        ),
        (
            7,
            adt(Update, "patient.id=4711^HOPA patient.name=LEFÈVRE-ROY^Zoé"),
        ),
    ];
    let choices = [
        order(Change, &step("start=202606021000")),
        order(Change, &step("start=202606021100 description=")),
        order(
            Change,
            &format!("{top} procedure.code=X order.priority=stat"),
        ),
        order(Change, &step("modality=MR station_aes=IRM1")),
        order(Hold, top),
        order(Release, top),
    ];
    for (i, choice) in ris.iter().enumerate() {
        day.push((10 + i as i64, choices[choice % choices.len()].clone()));
    }
    let ends = [order(Cancel, top), order(Start, top), order(Complete, top)];
    if let Some(last) = ends.get(end) {
        day.push((50, last.clone()));
    }
    day
}

fn scanner() -> [(i64, Command); 2] {
    let item = "performed_step.status=in_progress performed_step.patient_id=4711 / link study_instance_uid=1.2.3.1 step_id=S1";
    [
        (60, create("1.1", item)),
        (
            70,
            set(
                "1.1",
                "performed_step.status=completed / series uid=1 // instance uid=2",
            ),
        ),
    ]
}

fn run(messages: &[(i64, Command)]) -> BTreeMap<String, String> {
    let mut day = Day::new();
    for (minute, message) in messages {
        let sent = day.send(*minute, std::slice::from_ref(message));
        assert!(sent.is_ok(), "{sent:?}");
    }
    picture(&day)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    // `Day::send` checks after each message that folding gives the documents, and that a refused message leaves no trace.
    #[test]
    fn any_messages_leave_documents_that_their_events_explain(
        messages in prop::collection::vec((0..100_i64, prop::collection::vec(anything(), 1..3)), 1..25)
    ) {
        let mut day = Day::new();
        let mut finals: BTreeMap<String, String> = BTreeMap::new();
        for (minute, commands) in messages {
            let _ = day.send(minute, &commands);
            for pps in day.world.performed.values().map(|d| &d.doc) {
                // The scanner's own words never change once final; a merge may move the patient.
                let said = format!("{:?} {:?} {:?}", pps.status, pps.fields, pps.series);
                if let Some(was) = finals.get(&pps.uid) {
                    prop_assert_eq!(was, &said);
                } else if pps.status.is_final() {
                    finals.insert(pps.uid.clone(), said);
                }
            }
            for (key, id) in &day.world.patient_keys {
                let doc = &day.world.patients[id].doc;
                prop_assert!(doc.keys.contains(key) && doc.merged_into.is_none());
            }
            for exam in day.world.exams.values().map(|d| &d.doc) {
                prop_assert!(day.world.patients[&exam.patient].doc.merged_into.is_none());
            }
        }
    }

    #[test]
    fn messages_that_differ_only_in_arrival_end_in_the_same_exam(
        mut ris in prop::collection::vec(0..6_usize, 0..5),
        end in 0..4_usize,
        order in prop::collection::vec(any::<prop::sample::Index>(), 12),
        scanned in any::<bool>(),
        place in any::<prop::sample::Index>(),
    ) {
        if scanned || end < 3 {
            // Hold cannot be done any more once the exam has begun or is over: then it is refused or late, as it arrives.
            ris.retain(|choice| *choice != 4);
        }
        let day = day_of(&ris, if scanned { 3 } else { end });
        let mut shuffled: Vec<(i64, Command)> = Vec::new();
        for (message, at) in day.iter().zip(&order) {
            shuffled.insert(at.index(shuffled.len() + 1), message.clone());
        }
        let mut in_order = day;
        if scanned {
            in_order.extend(scanner());
            // Somewhere after the order that the scanner answers.
            let placed = shuffled.iter().position(|(minute, _)| *minute == 0).unwrap_or(0) + 1;
            let at = placed + place.index(shuffled.len() - placed + 1);
            let [first, second] = scanner();
            shuffled.insert(at, first);
            shuffled.push(second);
        }
        prop_assert_eq!(run(&in_order), run(&shuffled));
    }
}
