use super::*;
use proptest::prelude::*;

#[test]
fn an_echo_request_is_these_bytes() {
    let command = Command::c_request(field::C_ECHO_RQ, sop_class::VERIFICATION, 1, false);
    let bytes = command.write();
    assert_eq!(
        bytes,
        b"\0\0\0\0\x04\0\0\0\x38\0\0\0\
          \0\0\x02\0\x12\0\0\x001.2.840.10008.1.1\0\
          \0\0\0\x01\x02\0\0\0\x30\0\
          \0\0\x10\x01\x02\0\0\0\x01\0\
          \0\0\0\x08\x02\0\0\0\x01\x01"
    );
    assert_eq!(Command::read(&bytes), Ok(command));
}

#[test]
fn a_response_names_what_it_answers() {
    let request = Command {
        field: field::N_SET_RQ,
        requested_class: Some(sop_class::MODALITY_PERFORMED_PROCEDURE_STEP.into()),
        requested_instance: Some("2.25.1".into()),
        message_id: Some(7),
        has_data: true,
        ..Command::default()
    };
    let mut response = request.response(status::PROCESSING_FAILURE);
    response.error_id = Some(status::MAY_NO_LONGER_BE_UPDATED);
    response.comment = Some("état \\ final ".repeat(9));
    let back = Command::read(&response.write()).expect("reads");
    assert_eq!(back.field, field::N_SET_RSP);
    assert_eq!(back.responded_to, Some(7));
    assert_eq!(back.affected_instance.as_deref(), Some("2.25.1"));
    assert_eq!(back.error_id, Some(0xA710));
    let comment = back.comment.expect("comment");
    assert!(comment.len() <= MAX_COMMENT && comment.starts_with("etat   final"));
    assert_eq!(back.requested_instance, None);
}

#[test]
fn broken_command_sets_are_refused_with_the_place() {
    for (bytes, what) in [
        (
            &b"\0\0\0\x01\xFF\xFF\xFF\xFF"[..],
            "command set ends inside an element",
        ),
        (b"\0\0\0\x01\x04\0\0\0\x30\0\0\0", "not one 16-bit value"),
        (
            b"\x08\0\x05\0\0\0\0\0",
            "an element of another group in a command set",
        ),
        (b"", "no command field"),
    ] {
        assert_eq!(Command::read(bytes).map_err(|e| e.what), Err(what));
    }
}

fn uid() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[0-2](\\.[0-9]{1,5}){1,8}")
}

prop_compose! {
    fn command()(
        field in any::<u16>(),
        (affected_class, requested_class, affected_instance, requested_instance) in (uid(), uid(), uid(), uid()),
        (message_id, responded_to, priority, status, error_id) in any::<(Option<u16>, Option<u16>, Option<u16>, Option<u16>, Option<u16>)>(),
        has_data in any::<bool>(),
        tags in prop::collection::vec(any::<(u16, u16)>(), 0..4),
    ) -> Command {
        let tags: Vec<Tag> = tags.into_iter().map(|(g, e)| Tag(g, e)).collect();
        Command {
            field, affected_class, requested_class, message_id, responded_to, priority, has_data, status,
            offending: tags.clone(), comment: None, error_id, affected_instance, requested_instance, attributes: tags,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(command in command()) {
        prop_assert_eq!(Command::read(&command.write()), Ok(command));
    }

    #[test]
    fn any_bytes_are_a_command_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_command(&data);
    }
}
