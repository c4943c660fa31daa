//! PDUs and PDVs of every size and in every place (PS3.8 9.3, annex E), and those that lie.

use super::raw::{
    Raw, associate_rq, find_command, find_data, find_request, others_are_served, p_data, pdv,
};
use super::{harness::effort, server};
use proptest::test_runner::{Config, TestRunner};
use relais::dicom::dimse::{Command, field, sop_class};

const ONE_FOUND: [u16; 2] = [0xFF00, 0];
const COMMAND: u8 = 1;
const LAST: u8 = 2;

/// Sends a request on one association in each of the given forms: all are understood.
async fn understood(forms: impl IntoIterator<Item = Vec<u8>>) {
    let server = server(|_| {}).await;
    let mut raw = Raw::associate(server.addr).await;
    for (n, form) in forms.into_iter().enumerate() {
        raw.send(&form).await;
        assert_eq!(raw.statuses().await, Some(ONE_FOUND.to_vec()), "form {n}");
    }
}

#[tokio::test]
async fn a_request_cut_into_two_fragments_at_any_byte_is_the_same_request() {
    let (command, data) = (find_command(1), find_data("1"));
    let cut_command = (0..=command.len()).map(|at| {
        let (a, b) = command.split_at(at);
        [
            p_data(&[pdv(1, COMMAND, a)]),
            p_data(&[pdv(1, COMMAND | LAST, b), pdv(1, LAST, &data)]),
        ]
        .concat()
    });
    let cut_data = (0..=data.len()).map(|at| {
        let (a, b) = data.split_at(at);
        [
            p_data(&[pdv(1, COMMAND | LAST, &command), pdv(1, 0, a)]),
            p_data(&[pdv(1, LAST, b)]),
        ]
        .concat()
    });
    understood(cut_command.chain(cut_data)).await;
}

#[tokio::test]
async fn fragments_of_one_byte_and_of_none_are_put_together() {
    let parts = |bytes: &[u8], kind: u8| -> Vec<Vec<u8>> {
        let last = bytes.len() - 1;
        let mut parts: Vec<_> = bytes
            .iter()
            .enumerate()
            .map(|(n, b)| pdv(1, kind | if n == last { LAST } else { 0 }, &[*b]))
            .collect();
        // Empty fragments are odd and harmless.
        parts.insert(1, pdv(1, kind, &[]));
        parts
    };
    let all = [parts(&find_command(1), COMMAND), parts(&find_data("1"), 0)].concat();
    let in_one_pdu = p_data(&all);
    let each_in_its_own = all
        .into_iter()
        .map(|part| p_data(&[part]))
        .collect::<Vec<_>>()
        .concat();
    understood([in_one_pdu, each_in_its_own]).await;
}

#[tokio::test]
async fn a_request_that_arrives_byte_by_byte_is_answered() {
    let server = server(|_| {}).await;
    let mut raw = Raw::connect(server.addr).await;
    for byte in associate_rq() {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.pdu().await.map(|(kind, _)| kind), Some(2));
    for byte in find_request("1") {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.statuses().await, Some(ONE_FOUND.to_vec()));
}

#[tokio::test]
async fn requests_that_arrive_together_are_answered_in_order() {
    let server = server(|_| {}).await;
    let mut raw = Raw::associate(server.addr).await;
    raw.send(&[find_request("1"), find_request("2"), find_request("0")].concat())
        .await;
    for items in [1, 2, 0] {
        let statuses = raw.statuses().await.expect("an answer");
        assert_eq!(statuses.len(), items + 1);
    }
}

#[tokio::test]
async fn lengths_that_lie_and_fragments_out_of_place_end_the_association_and_no_other() {
    let server = server(|s| s.max_data_set = 100_000).await;
    let (command, data) = (find_command(1), find_data("1"));
    let whole = pdv(1, COMMAND | LAST, &command);
    let started = p_data(std::slice::from_ref(&whole));
    let long = vec![0; 60_000];
    for (what, bytes, reason) in [
        ("a PDU of 4 GiB", b"\x04\0\xFF\xFF\xFF\xFF".to_vec(), 6),
        (
            "a PDU beyond what we announced",
            b"\x04\0\0\x10\0\0".to_vec(),
            6,
        ),
        ("an unknown type", b"\x2A\0\0\0\0\0".to_vec(), 1),
        ("a second A-ASSOCIATE-RQ", associate_rq(), 2),
        (
            "an A-ASSOCIATE-AC of the peer",
            b"\x02\0\0\0\0\0".to_vec(),
            2,
        ),
        (
            "a PDV of 4 GiB",
            p_data(&[b"\xFF\xFF\xFF\xFF\x01\x03".to_vec()]),
            6,
        ),
        (
            "a PDV longer than its PDU",
            p_data(&[b"\0\0\0\x40\x01\x03abc".to_vec()]),
            6,
        ),
        (
            "a PDV without header",
            p_data(&[b"\0\0\0\x01\x01".to_vec()]),
            6,
        ),
        ("half a length", p_data(&[b"\0\0\0".to_vec()]), 6),
        ("data without a command", p_data(&[pdv(1, LAST, &data)]), 6),
        (
            "a command inside a data set",
            [&started[..], &p_data(&[pdv(1, 0, &data), whole.clone()])].concat(),
            6,
        ),
        (
            "fragments of two contexts",
            [&started[..], &p_data(&[pdv(3, LAST, &data)])].concat(),
            6,
        ),
        (
            "two commands interleaved",
            p_data(&[
                pdv(1, COMMAND, &command[..20]),
                pdv(3, COMMAND | LAST, &command),
            ]),
            6,
        ),
        (
            "a context that was never offered",
            p_data(&[pdv(9, COMMAND | LAST, &command), pdv(9, LAST, &data)]),
            6,
        ),
        (
            "a command set of nothing",
            p_data(&[pdv(1, COMMAND | LAST, &[])]),
            6,
        ),
        (
            "a command set that is no command set",
            p_data(&[pdv(1, COMMAND | LAST, &data)]),
            6,
        ),
        (
            "a command set of 120 kB",
            [
                p_data(&[pdv(1, COMMAND, &long)]),
                p_data(&[pdv(1, COMMAND, &long)]),
            ]
            .concat(),
            6,
        ),
        (
            "a data set over the limit",
            [
                started.clone(),
                p_data(&[pdv(1, 0, &long)]),
                p_data(&[pdv(1, 0, &long)]),
            ]
            .concat(),
            6,
        ),
        (
            "a response where a request must be",
            p_data(&[pdv(1, COMMAND | LAST, &response())]),
            2,
        ),
    ] {
        println!("{what}");
        Raw::associate(server.addr)
            .await
            .ends_in_abort(&bytes, reason)
            .await;
        others_are_served(&server).await;
    }
}

fn response() -> Vec<u8> {
    Command::c_request(
        field::C_FIND_RQ,
        sop_class::MODALITY_WORKLIST_FIND,
        1,
        false,
    )
    .response(0)
    .write()
}

/// Sequences in sequences, `depth` times, with lengths or without.
fn nested(depth: usize, with_lengths: bool) -> Vec<u8> {
    let mut inner = Vec::new();
    if !with_lengths {
        let open = b"\x40\0\0\x01\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF".repeat(depth);
        let close = b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0".repeat(depth);
        return [open, close].concat();
    }
    let mut lengths = Vec::new();
    for _ in 0..depth {
        lengths.push(inner.len() as u32 + 16 * lengths.len() as u32);
    }
    for length in lengths.iter().rev() {
        inner.extend_from_slice(b"\x40\0\0\x01");
        inner.extend_from_slice(&(length + 8).to_le_bytes());
        inner.extend_from_slice(b"\xFE\xFF\0\xE0");
        inner.extend_from_slice(&length.to_le_bytes());
    }
    inner
}

#[tokio::test]
async fn a_hostile_identifier_is_refused_with_c001_and_the_association_lives() {
    let server = server(|_| {}).await;
    let mut raw = Raw::associate(server.addr).await;
    let mut many = Vec::new();
    for n in 0..60_000_u32 {
        many.extend_from_slice(&[0x09, 0x10]);
        many.extend_from_slice(&(0x1000 + n as u16).to_le_bytes());
        many.extend_from_slice(&[0, 0, 0, 0]);
    }
    for (what, identifier) in [
        ("10 000 levels without lengths", nested(10_000, false)),
        ("10 000 levels with lengths", nested(10_000, true)),
        (
            "an element of 4 GiB",
            b"\x10\0\x20\0\xF0\xFF\xFF\xFFabcd".to_vec(),
        ),
        (
            "an element of undefined length that is no sequence",
            b"\x10\0\x20\0\xFF\xFF\xFF\xFFabcd".to_vec(),
        ),
        (
            "an item longer than its sequence",
            b"\x40\0\0\x01\x08\0\0\0\xFE\xFF\0\xE0\xFF\0\0\0".to_vec(),
        ),
        (
            "a sequence that never ends",
            b"\x40\0\0\x01\xFF\xFF\xFF\xFF".to_vec(),
        ),
        ("half a header", b"\x10\0\x20\0".to_vec()),
        ("60 000 elements", many),
        (
            "2 MiB",
            [b"\x10\0\0\x40\0\0\x20\0".to_vec(), vec![b'x'; 2 << 20]].concat(),
        ),
    ] {
        let mut request = p_data(&[pdv(1, COMMAND | LAST, &find_command(1))]);
        let pieces: Vec<&[u8]> = identifier.chunks(100_000).collect();
        for (n, piece) in pieces.iter().enumerate() {
            let last = if n + 1 == pieces.len() { LAST } else { 0 };
            request.extend(p_data(&[pdv(1, last, piece)]));
        }
        raw.send(&request).await;
        assert_eq!(raw.statuses().await, Some(vec![0xC001]), "{what}");
    }
    raw.send(&find_request("1")).await;
    assert_eq!(raw.statuses().await, Some(ONE_FOUND.to_vec()));
}

/// Changes some bytes of a good conversation.
fn spoilt(good: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for (at, to) in changes {
        let at = at % bytes.len();
        bytes[at] = *to;
    }
    bytes
}

#[test]
fn any_spoilt_conversation_is_answered_or_ended_and_the_next_peer_is_served() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(server(|s| {
        s.artim = std::time::Duration::from_millis(200);
        s.request = std::time::Duration::from_millis(200);
        s.idle = std::time::Duration::from_millis(200);
    }));
    let good = [
        associate_rq(),
        find_request("1"),
        b"\x05\0\0\0\0\x04\0\0\0\0".to_vec(),
    ]
    .concat();
    let changes = proptest::collection::vec((0..good.len(), proptest::num::u8::ANY), 1..6);
    let mut runner = TestRunner::new(Config::with_cases(effort::pick(150, 20_000)));
    let ran = runner.run(&changes, |changes| {
        runtime.block_on(async {
            let mut raw = Raw::connect(server.addr).await;
            raw.send(&spoilt(&good, &changes)).await;
            while raw.pdu().await.is_some() {}
            Ok(())
        })
    });
    ran.expect("no peer hangs");
    runtime.block_on(others_are_served(&server));
    assert!(!server.running.is_finished());
}
