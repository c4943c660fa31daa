//! Whatever arrives, documents are what their events say, and what is final stays. That the order of arrival makes no difference is
//! the property of `workflow::arrival`.

use super::*;
use PatientAct::{Merge, Update};
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
                } else if pps.status.is_final() && !pps.orphan {
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
}
