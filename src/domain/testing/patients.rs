//! Patients, from the patient administration's side: demographics by age, visits, merges.

use super::*;
use OrderAct::*;
use PatientAct::*;

const A04: &str = "patient.id=4711^HOPA^PI patient.identifiers=4711^HOPA^PI patient.identifiers=77^REGION^PI \
    patient.name=LEFÈVRE^Zoé visit.number=V1^HOPA ";
const NW: &str = "patient.id=4711^HOPA patient.name=LEFEVRE^Zoe order.placer_number=P1^RIS / step id=S1 start=202606021500";

fn admitted() -> Day {
    let mut day = Day::new();
    day.expect(0, adt(Admit, A04), &["patient.created"]);
    day
}

#[test]
fn b02_only_the_patient_administration_overwrites_demographics() {
    let mut day = Day::new();
    day.expect(
        10,
        order(Schedule, NW),
        &["patient.created", "order.placed"],
    );
    // Older than the order, and yet the one that is entitled to speak.
    day.expect(
        0,
        adt(Admit, "patient.id=4711^HOPA patient.name=LEFÈVRE^Zoé"),
        &["patient.updated"],
    );
    day.expect(20, order(Schedule, &NW.replace("LEFEVRE", "LEFEBVRE")), &[]);
    assert_eq!(day.name("4711"), "LEFÈVRE");
    // An order only fills what nobody spoke of.
    day.expect(
        21,
        order(
            Schedule,
            &NW.replace("patient.name", "patient.sex=F patient.name"),
        ),
        &["patient.updated"],
    );
    assert_eq!(day.patient("4711").fields.text("sex"), Some("F"));
}

#[test]
fn b02_an_older_adt_never_undoes_a_newer_one() {
    let mut day = admitted();
    day.expect(
        20,
        adt(Update, "patient.id=4711^HOPA patient.name=LEFÈVRE-ROY^Zoé"),
        &["patient.updated"],
    );
    day.expect(
        10,
        adt(
            Update,
            "patient.id=4711^HOPA patient.name=ROY^Zoé patient.sex=F",
        ),
        &["patient.updated"],
    );
    assert_eq!(day.name("4711"), "LEFÈVRE-ROY");
    assert_eq!(day.patient("4711").fields.text("sex"), Some("F"));
    // Cleared on purpose: an order must not fill it again.
    day.expect(
        30,
        adt(Update, "patient.id=4711^HOPA patient.sex="),
        &["patient.updated"],
    );
    day.expect(
        31,
        order(
            Schedule,
            &NW.replace("patient.name", "patient.sex=F patient.name"),
        ),
        &["order.placed"],
    );
    assert!(day.patient("4711").fields.first("sex").is_none());
}

#[test]
fn b01_any_local_identifier_finds_the_patient_but_a_shared_one_does_not() {
    let mut day = admitted();
    let by = |id: &str| format!("patient.id={id} patient.identifiers={id}");
    day.expect(1, adt(Update, &by("77^REGION^PI")), &["patient.updated"]);
    assert_eq!(day.world.patients.len(), 1);
    for other in ["4711^HOPB^PI", "77^REGION2^PI"] {
        day.expect(2, adt(Update, &by(other)), &["patient.created"]);
    }
    let ins = "patient.id=279035121518989^1.2.250.1.213.1.4.10^INS";
    day.refused(3, adt(Update, ins), Reason::FieldMissing);
}

#[test]
fn identifiers_of_two_patients_are_refused() {
    let mut day = admitted();
    day.expect(
        1,
        adt(Admit, "patient.id=88^REGION^PI"),
        &["patient.created"],
    );
    let both = "patient.identifiers=77^REGION^PI patient.identifiers=88^REGION^PI";
    day.refused(2, adt(Update, both), Reason::PatientConflict);
}

#[test]
fn b03_a_merge_moves_the_exams_and_the_merged_patient_is_not_brought_back() {
    let mut day = Day::new();
    day.expect(
        0,
        order(Schedule, &NW.replace("4711", "TEMP")),
        &["patient.created", "order.placed"],
    );
    day.expect(
        1,
        adt(Admit, "patient.id=4711^HOPA patient.name=LEFÈVRE^Zoé"),
        &["patient.created"],
    );
    let a40 = "patient.id=4711^HOPA patient.name=LEFÈVRE^Zoé patient.merged_ids=TEMP^HOPA";
    day.expect(
        2,
        adt(Merge, a40),
        &["patient.merged", "patient.keys_taken", "exam.moved"],
    );
    let survivor = day.patient("4711").id;
    assert_eq!(day.patient("TEMP").id, survivor);
    assert_eq!(day.exam(KeyKind::Placer, "P1").patient, survivor);
    day.expect(3, adt(Merge, a40), &[]);
    day.expect(
        4,
        adt(Update, "patient.id=TEMP^HOPA patient.name=INCONNU^X"),
        &[],
    );
    assert_eq!(day.name("4711"), "LEFÈVRE");
    // An order under the alias is the survivor's.
    let late = NW
        .replace("4711", "TEMP")
        .replace("P1", "P2")
        .replace("S1", "S2");
    day.expect(5, order(Schedule, &late), &["order.placed"]);
    assert_eq!(day.exam(KeyKind::Placer, "P2").patient, survivor);
}

#[test]
fn b03_merges_in_a_row_lead_to_the_last_survivor_at_once() {
    let mut day = Day::new();
    for id in ["1", "2", "3"] {
        day.expect(
            0,
            adt(Admit, &format!("patient.id={id}^HOPA")),
            &["patient.created"],
        );
    }
    let first = day.patient("1").id;
    let merge = |from: &str, to: &str| {
        adt(
            Merge,
            &format!("patient.id={to}^HOPA patient.merged_ids={from}^HOPA"),
        )
    };
    assert!(day.send(1, &[merge("1", "2")]).is_ok());
    assert!(day.send(2, &[merge("2", "3")]).is_ok());
    let last = day.patient("3").id;
    assert_eq!((day.patient("1").id, day.patient("2").id), (last, last));
    assert_eq!(day.world.patients[&first].doc.merged_into, Some(last));
    // Turned round: the retired identifier speaks again.
    assert!(day.send(3, &[merge("3", "1")]).is_ok());
    day.expect(
        4,
        adt(Update, "patient.id=1^HOPA patient.name=ROY^Ève"),
        &["patient.updated"],
    );
    day.expect(5, adt(Update, "patient.id=3^HOPA patient.name=X"), &[]);
    assert_eq!(day.name("3"), "ROY");
}

#[test]
fn b03_a_merge_of_unknown_patients_writes_the_alias() {
    let mut day = Day::new();
    let a40 = "patient.id=4711^HOPA patient.name=ROY^Ève patient.merged_ids=OLD^HOPA";
    day.expect(
        0,
        adt(Merge, a40),
        &["patient.created", "patient.keys_taken"],
    );
    day.expect(
        1,
        order(Schedule, &NW.replace("4711", "OLD")),
        &["order.placed"],
    );
    assert_eq!(
        day.exam(KeyKind::Placer, "P1").patient,
        day.patient("4711").id
    );
    day.refused(
        2,
        adt(Merge, "patient.id=1^HOPA patient.merged_ids=1^HOPA"),
        Reason::PatientMergeSelf,
    );
    day.refused(2, adt(Merge, "patient.id=1^HOPA"), Reason::FieldMissing);
    day.expect(
        3,
        adt(Merge, "patient.id=4711^HOPA patient.merged_ids=OLD^HOPA"),
        &[],
    );
}

#[test]
fn b03_a_change_of_id_keeps_the_patient() {
    let mut day = admitted();
    let id = day.patient("4711").id;
    let a47 = "patient.id=9000^HOPA^PI patient.merged_ids=4711^HOPA";
    day.expect(
        1,
        adt(ChangeId, a47),
        &["patient.updated", "patient.keys_taken"],
    );
    assert_eq!((day.patient("9000").id, day.patient("4711").id), (id, id));
    assert_eq!(day.patient("4711").fields.text("id"), Some("9000"));
    day.expect(2, adt(ChangeId, a47), &[]);
    day.expect(3, adt(Update, "patient.id=4711^HOPA patient.name=X"), &[]);
}

#[test]
fn b03_a_retired_identifier_is_nobodys_name_however_old_the_message_that_retired_it() {
    for act in [ChangeId, Merge] {
        let mut day = admitted();
        let back = "patient.id=4711^HOPA patient.merged_ids=9000^HOPA";
        if act == Merge {
            // Turned round: 9000 was merged into 4711 before, and survives now.
            assert!(day.send(1, &[adt(Merge, back)]).is_ok());
        }
        day.expect(
            30,
            adt(Update, &A04.replace("Zoé", "Zoë")),
            &["patient.updated"],
        );
        let ids = "patient.id=9000^HOPA patient.identifiers=9000^HOPA patient.merged_ids=4711^HOPA patient.name=OLD^X";
        assert!(day.send(20, &[adt(act, ids)]).is_ok());
        let fields = &day.patient("9000").fields;
        assert_eq!(fields.text("id"), Some("9000"), "{act:?}");
        assert_eq!(fields.values("identifiers").len(), 1, "{act:?}");
        // Everything else goes by its age.
        assert_eq!(day.name("9000"), "LEFÈVRE", "{act:?}");
    }
}

#[test]
fn a_cancelled_visit_is_dropped_and_orders_stay() {
    let mut day = admitted();
    day.expect(1, order(Schedule, NW), &["order.placed"]);
    day.expect(
        2,
        adt(CancelVisit, "patient.id=4711^HOPA"),
        &["patient.updated"],
    );
    assert!(day.patient("4711").visit.first("number").is_none());
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["scheduled"]);
    day.expect(3, adt(CancelVisit, "patient.id=4711^HOPA"), &[]);
    // Before its admission: what an older message says of the visit does not bring it back.
    day.expect(
        3,
        adt(CancelVisit, "patient.id=9^HOPA"),
        &["patient.created"],
    );
    let late = "patient.id=9^HOPA visit.number=V9^HOPA";
    day.expect(1, adt(Admit, late), &[]);
    day.expect(4, adt(Admit, late), &["patient.updated"]);
}

#[test]
fn b03_every_identifier_of_a_merged_patient_leads_to_the_survivor_whenever_it_is_known() {
    let a40 = || adt(Merge, "patient.id=9000^HOPA patient.merged_ids=4711^HOPA");
    for is_late in [false, true] {
        let mut day = Day::new();
        let messages = [(0, adt(Admit, A04)), (1, a40())];
        let order = if is_late { [1, 0] } else { [0, 1] };
        for i in order {
            let (minute, message) = &messages[i];
            assert!(day.send(*minute, std::slice::from_ref(message)).is_ok());
        }
        let survivor = day.patient("9000");
        assert_eq!(survivor.keys.len(), 3);
        assert_eq!(survivor.aliases.len(), 2);
        assert_eq!(survivor.fields.text("name"), None);
    }
}

#[test]
fn b03_merges_in_a_row_end_alike_when_they_arrive_inverted() {
    let merge = |from: &str, to: &str| {
        let name = if to == "2" { "RETIRED" } else { "LAST" };
        adt(
            Merge,
            &format!("patient.id={to}^HOPA patient.merged_ids={from}^HOPA patient.name={name}^X"),
        )
    };
    let (first, second) = ((1, merge("1", "2")), (2, merge("2", "3")));
    for merges in [[first.clone(), second.clone()], [second, first]] {
        let mut day = Day::new();
        for (minute, merge) in merges {
            assert!(day.send(minute, &[merge]).is_ok());
        }
        let last = day.patient("3").id;
        assert_eq!((day.patient("1").id, day.patient("2").id), (last, last));
        assert_eq!(day.name("3"), "LAST");
        // Neither the patient administration nor an order speaks for the survivor under a retired identifier.
        let late = adt(Update, "patient.id=2^HOPA patient.sex=F");
        day.expect(3, late, &[]);
        let named = NW
            .replace("4711", "2")
            .replace("patient.name", "patient.sex=F patient.name");
        day.expect(4, order(Schedule, &named), &["order.placed"]);
        assert_eq!(day.patient("3").fields.text("sex"), None);
    }
}

#[test]
fn an_order_under_the_identifier_before_a_change_of_id_still_tells_who_the_patient_is() {
    let a47 = || {
        adt(
            ChangeId,
            "patient.id=9000^HOPA patient.merged_ids=4711^HOPA",
        )
    };
    for is_late in [false, true] {
        let mut day = Day::new();
        if is_late {
            assert!(day.send(5, &[a47()]).is_ok());
        }
        assert!(day.send(1, &[order(Schedule, NW)]).is_ok());
        if !is_late {
            assert!(day.send(5, &[a47()]).is_ok());
        }
        assert_eq!(day.name("9000"), "LEFEVRE");
        assert_eq!(day.patient("9000").fields.text("id"), Some("9000"));
    }
}

#[test]
fn an_arriving_patient_makes_the_steps_of_the_day_arrived() {
    let mut day = admitted();
    day.expect(1, order(Schedule, NW), &["order.placed"]);
    let tomorrow = NW
        .replace("P1", "P2")
        .replace("S1", "S2")
        .replace("20260602", "20260603");
    day.expect(2, order(Schedule, &tomorrow), &["order.placed"]);
    day.expect(3, adt(Arrive, "patient.id=4711^HOPA^PI"), &["step.status"]);
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["arrived"]);
    assert_eq!(day.steps(KeyKind::Placer, "P2"), ["scheduled"]);
}
