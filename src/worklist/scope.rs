//! What the worklist mapping sees of a step: the names `patient`, `visit`, `order`, `procedure`, `step`, `site` and `extra`.

use crate::domain::exam::{Exam, Step};
use crate::domain::node::Node;
use crate::domain::patient::Patient;
use crate::domain::value::Value;

/// The scope of one step. Times with an offset are shown in `timezone` (IANA); `ae` is the AE title that a pool step is shown under:
/// the one that asked, or was asked for.
pub fn scope<'a>(
    exam: &'a Exam,
    patient: &'a Patient,
    step: &'a Step,
    site_name: &str,
    timezone: &str,
    ae: &str,
) -> Node<'a> {
    let mut derived = vec![
        ("id", Node::text(step.sps_id.clone())),
        ("status", Node::text(step.status.value.word())),
    ];
    if step.fields.values("station_aes").is_empty() {
        derived.push((
            "station_aes",
            Node::Values(vec![Value::Text(ae.to_owned())]),
        ));
    }
    Node::object(vec![
        ("patient", Node::Fields(&patient.fields)),
        ("visit", visit(exam, patient)),
        ("order", Node::Fields(&exam.order)),
        ("procedure", Node::Fields(&exam.procedure)),
        (
            "step",
            Node::Layers(vec![Node::object(derived), Node::Fields(&step.fields)]),
        ),
        (
            "site",
            Node::object(vec![
                ("name", Node::text(site_name)),
                ("timezone", Node::text(timezone)),
            ]),
        ),
        ("extra", Node::Fields(&exam.extra)),
    ])
}

/// The visit of an exam: what the order said, completed by the patient administration when both speak of the same visit.
pub fn visit<'a>(exam: &'a Exam, patient: &'a Patient) -> Node<'a> {
    let (ordered, current) = (exam.visit.text("number"), patient.visit.text("number"));
    if ordered.is_none() || ordered == current {
        Node::Layers(vec![
            Node::Fields(&patient.visit),
            Node::Fields(&exam.visit),
        ])
    } else {
        Node::Fields(&exam.visit)
    }
}
