use super::*;
use crate::dicom::dataset::Content;

/// A data set with every attribute of type 1 and 2 of some rules, those of type 1 with a value.
fn filled(rules: &[Rule], need: fn(&Rule) -> Need) -> DataSet {
    let mut data = DataSet::new();
    for rule in rules {
        let with_value = match need(rule) {
            One => true,
            Two => false,
            Three | No => continue,
        };
        match (rule.items, with_value) {
            (Items::Rules(rules), true) => data.put_items(rule.keyword, vec![filled(rules, need)]),
            (_, true) => data.put_text(rule.keyword, "1.2"),
            (Items::None, false) => data.put_text(rule.keyword, ""),
            (_, false) => data.put_items(rule.keyword, vec![]),
        }
    }
    data
}

fn creation() -> DataSet {
    let mut data = filled(TABLE, |rule| rule.create);
    data.put_text(STATUS, "IN PROGRESS");
    data
}

/// Changes a good data set and expects the defects, as `Keyword: fault`.
fn check_changed(service: Service, change: impl FnOnce(&mut DataSet), expected: &[&str]) {
    let mut data = match service {
        Service::Create => creation(),
        Service::Set => DataSet::new(),
    };
    change(&mut data);
    let defects: Vec<_> = check(service, &data)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(defects, expected);
}

fn item(pairs: &[(&str, &str)]) -> DataSet {
    let mut item = DataSet::new();
    for (keyword, value) in pairs {
        item.put_text(keyword, value);
    }
    item
}

#[test]
fn every_keyword_of_the_table_is_one_of_the_standard() {
    fn each(rules: &[Rule]) {
        for rule in rules {
            assert!(tag_of(rule.keyword).is_some(), "{}", rule.keyword);
            if let Items::Rules(rules) = rule.items {
                each(rules);
            }
        }
    }
    each(TABLE);
}

#[test]
fn e01_each_attribute_that_an_n_create_lacks_is_named() {
    check_changed(Service::Create, |_| {}, &[]);
    let mut seen = 0;
    for rule in TABLE {
        let remove = |data: &mut DataSet| {
            data.remove(tag_of(rule.keyword).unwrap());
        };
        let empty = |data: &mut DataSet| match rule.items {
            Items::None => data.put_text(rule.keyword, ""),
            _ => data.put_items(rule.keyword, vec![]),
        };
        let (missing, without) = (
            format!("{}: missing", rule.keyword),
            format!("{}: without value", rule.keyword),
        );
        match rule.create {
            One => {
                check_changed(Service::Create, remove, &[missing.as_str()]);
                check_changed(Service::Create, empty, &[without.as_str()]);
            }
            Two => {
                check_changed(Service::Create, remove, &[missing.as_str()]);
                check_changed(Service::Create, empty, &[]);
            }
            Three | No => continue,
        }
        seen += 1;
    }
    assert_eq!(seen, 22, "attributes of type 1 and 2 at the first level");
}

#[test]
fn e01_what_an_n_set_may_not_say_is_named() {
    check_changed(Service::Set, |_| {}, &[]);
    for rule in TABLE {
        let say = |data: &mut DataSet| match rule.items {
            Items::None => data.put_text(rule.keyword, "COMPLETED"),
            _ => data.put_items(rule.keyword, vec![]),
        };
        let not_allowed = format!("{}: not allowed", rule.keyword);
        match rule.set {
            No => check_changed(Service::Set, say, &[not_allowed.as_str()]),
            _ => check_changed(Service::Set, say, &[]),
        }
    }
}

#[test]
fn e01_items_have_their_own_rules() {
    let scheduled = "ScheduledStepAttributesSequence";
    let series = "PerformedSeriesSequence";
    check_changed(
        Service::Create,
        |data| data.put_items(scheduled, vec![item(&[("StudyInstanceUID", "")])]),
        &[
            "ReferencedStudySequence: missing",
            "AccessionNumber: missing",
            "RequestedProcedureID: missing",
            "RequestedProcedureDescription: missing",
            "ScheduledProcedureStepID: missing",
            "ScheduledProcedureStepDescription: missing",
            "ScheduledProtocolCodeSequence: missing",
            "StudyInstanceUID: without value",
        ],
    );
    let mut whole = filled(SERIES, |rule| rule.set);
    whole.put_items(
        "ReferencedImageSequence",
        vec![item(&[("ReferencedSOPClassUID", "1.2")])],
    );
    check_changed(
        Service::Set,
        |data| data.put_items(series, vec![whole, filled(SERIES, |rule| rule.set)]),
        &["ReferencedSOPInstanceUID: missing"],
    );
    let reason = "PerformedProcedureStepDiscontinuationReasonCodeSequence";
    for (code, expected) in [
        (
            item(&[
                ("CodeValue", "110501"),
                ("CodingSchemeDesignator", "DCM"),
                ("CodeMeaning", "x"),
            ]),
            &[][..],
        ),
        (
            item(&[("URNCodeValue", "urn:x"), ("CodeMeaning", "x")]),
            &[],
        ),
        (
            item(&[
                ("LongCodeValue", "a-very-long-code-value"),
                ("CodeMeaning", "x"),
            ]),
            &["CodingSchemeDesignator: missing"],
        ),
        (
            item(&[("CodeMeaning", "")]),
            &["CodeValue: missing", "CodeMeaning: without value"],
        ),
    ] {
        check_changed(
            Service::Set,
            |data| data.put_items(reason, vec![code]),
            expected,
        );
    }
    let issuer = "IssuerOfAdmissionIDSequence";
    for (name, expected) in [
        (item(&[("LocalNamespaceEntityID", "HOPA")]), &[][..]),
        (
            item(&[("UniversalEntityID", "1.2")]),
            &["UniversalEntityIDType: missing"],
        ),
        (item(&[]), &["LocalNamespaceEntityID: missing"]),
    ] {
        check_changed(
            Service::Create,
            |data| data.put_items(issuer, vec![name]),
            expected,
        );
    }
}

#[test]
fn e01_a_status_is_one_of_the_words_of_its_message() {
    let said = |word: &'static str| {
        move |data: &mut DataSet| data.put(STATUS, Content::Text(vec![word.into()]))
    };
    let wrong = &["PerformedProcedureStepStatus: wrong value"][..];
    for (service, word, expected) in [
        (Service::Create, "COMPLETED", wrong),
        (Service::Create, "IN_PROGRESS", wrong),
        (Service::Set, "IN PROGRESS", &[]),
        (Service::Set, "DISCONTINUED", &[]),
        (Service::Set, "STARTED", wrong),
    ] {
        check_changed(service, said(word), expected);
    }
}
