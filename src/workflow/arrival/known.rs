//! Days that once ended apart, by the fault that they showed: kept for ever.

use super::day::{Gene, Genes, kind_of};

/// Minute, bits, delay, minutes until it is sent again.
type Numbers = (u8, u16, u8, u8);

/// No order of that number.
const NONE: Numbers = (0, 0, 0, 0);
/// In time.
const PLAIN: Numbers = (0, 7, 0, 0);
/// After everything else.
const LATE: Numbers = (0, 7, 99, 0);
/// In time, and once more at last under another control id.
const AGAIN: Numbers = (0, 0x8007, 0, 59);

/// A day of a site with defaults: its new orders, and sort, order and numbers of each other message.
fn genes(orders: [Numbers; 4], others: &[(&str, u8, Numbers)]) -> Genes {
    let gene = |kind, which, (at, bits, delay, again)| Gene {
        kind,
        which,
        at,
        bits,
        delay,
        again,
    };
    let others = others.iter();
    Genes {
        site: 0,
        orders: orders.map(|numbers| gene(0, 0, numbers)).to_vec(),
        others: others
            .map(|(kind, which, numbers)| gene(kind_of(kind), *which, *numbers))
            .collect(),
    }
}

/// Every known day: the fault's name, the feature that the day must have to show it, and its genes.
pub fn days() -> Vec<(&'static str, &'static str, Genes)> {
    let first = [PLAIN, NONE, NONE, NONE];
    let late = [LATE, NONE, NONE, NONE];
    vec![
        (
            "a cancel dated before its order was ignored",
            "a cancel older than its order",
            genes(first, &[("cancel", 0, (0, 3, 30, 0))]),
        ),
        (
            "a cancel before its order was forgotten",
            "a cancel before its order",
            genes(late, &[("cancel", 0, (0, 4, 0, 0))]),
        ),
        (
            "a performed step before its order stayed unscheduled",
            "an N-CREATE before its order",
            genes(late, &[("n-create", 0, (0, 0x0c03, 0, 0))]),
        ),
        (
            "an N-SET before its N-CREATE was lost",
            "an N-SET before its N-CREATE",
            genes(
                first,
                &[
                    ("n-create", 0, (0, 0x0c03, 60, 0)),
                    ("n-set final", 0, (0, 0x0303, 0, 0)),
                ],
            ),
        ),
        (
            "a cancel and a discontinue ended as they arrived",
            "an older act after a newer one",
            genes(
                first,
                &[
                    ("cancel", 0, (0, 4, 50, 0)),
                    ("discontinue", 0, (5, 4, 0, 0)),
                ],
            ),
        ),
        (
            "an arrival after the start that followed it was dropped",
            "an older act after a newer one",
            genes(
                first,
                &[
                    ("change", 0, (0, 0x3004, 80, 0)),
                    ("status", 0, (5, 0x0404, 0, 0)),
                ],
            ),
        ),
        (
            "an end said again after the scanner had begun was not heard",
            "an older act after a newer one",
            genes(
                [NONE, NONE, PLAIN, NONE],
                &[
                    ("n-create", 2, (0, 0x0c03, 40, 0)),
                    ("status", 2, (8, 0x0004, 0, 0)),
                    ("status", 2, (0, 0x0004, 8, 0)),
                ],
            ),
        ),
        (
            "an end said again after the scanner had begun was not heard of an order that came later",
            "a report before its order",
            genes(
                late,
                &[
                    ("report", 0, (0, 0x0004, 0, 0)),
                    ("n-create", 0, (0, 0x0403, 0, 0)),
                    ("status", 0, (0, 0x0004, 0, 0)),
                ],
            ),
        ),
        (
            "an end said again after the scanner had begun was not heard of a step that it could not be linked to yet",
            "an N-CREATE before its order",
            genes(
                late,
                &[
                    ("status", 0, (0, 0x0044, 0, 0)),
                    ("n-create", 0, (0, 0x0403, 50, 0)),
                    ("status", 0, (15, 0x0044, 0, 0)),
                ],
            ),
        ),
        (
            "an end said before the scanner began, and late, took the place of the same end said since",
            "an older act after a newer one",
            genes(
                [NONE, NONE, PLAIN, NONE],
                &[
                    ("n-create", 2, (0, 0x0c03, 50, 0)),
                    ("status", 2, (15, 0x0004, 0, 0)),
                    ("status", 2, (0, 0x0004, 60, 0)),
                ],
            ),
        ),
        (
            "a hold that came after its release held the order",
            "an older act after a newer one",
            genes(
                first,
                &[("hold", 0, (0, 4, 60, 0)), ("release", 0, (0, 4, 0, 0))],
            ),
        ),
        (
            "a start that arrived after the end began the exam again",
            "an older act after a newer one",
            genes(
                first,
                &[
                    ("status", 0, (10, 0x0004, 0, 0)),
                    ("status", 0, (0, 0x0404, 90, 0)),
                ],
            ),
        ),
        (
            "an order sent again under another control id reopened what was cancelled",
            "the same message under another control id",
            genes([AGAIN, NONE, NONE, NONE], &[("cancel", 0, (0, 4, 0, 0))]),
        ),
        (
            "an older change sent again under another control id won",
            "the same message under another control id",
            genes(
                first,
                &[
                    ("change", 0, (0, 0x8104, 0, 50)),
                    ("change", 0, (5, 0x0104, 0, 0)),
                ],
            ),
        ),
        (
            "of two ends of one time a resend decided",
            "an act on an order under another control id",
            genes(
                first,
                &[
                    ("cancel", 0, (10, 0x8004, 0, 59)),
                    ("discontinue", 0, (5, 4, 0, 0)),
                ],
            ),
        ),
        (
            "a late preliminary report took the final one's place",
            "a preliminary report after a later one",
            genes(
                first,
                &[
                    ("report", 0, (0, 0x0004, 40, 0)),
                    ("report", 0, (5, 0x0104, 0, 0)),
                ],
            ),
        ),
        (
            "of two versions of one time a resend decided",
            "the same message under another control id",
            genes(
                [NONE, NONE, NONE, NONE],
                &[
                    ("report", 1, (7, 0xa100, 0, 19)),
                    ("report", 1, (7, 0x0100, 0, 0)),
                ],
            ),
        ),
        (
            "of two versions of one time a resend decided, the order's first word between them",
            "the same message under another control id",
            genes(
                [NONE, NONE, NONE, NONE],
                &[
                    ("cancel", 1, (0, 0x0014, 40, 0)),
                    ("report", 1, (0, 0x0100, 30, 0)),
                    ("report", 1, (0, 0x8100, 0, 40)),
                ],
            ),
        ),
        (
            "an order after its report reopened the exam",
            "a report before its order",
            genes(late, &[("report", 0, (0, 0x0104, 0, 0))]),
        ),
        (
            "an older ADT undid a newer one",
            "older demographics after newer ones",
            genes(
                first,
                &[
                    ("update", 0, (5, 0x0108, 0, 0)),
                    ("update", 0, (0, 0x0108, 40, 0)),
                ],
            ),
        ),
        (
            "the patient was whoever the first message to arrive said",
            "a change before its order",
            genes(late, &[("change", 0, (0, 0x0804, 0, 0))]),
        ),
        (
            "a merge before an order under the retired identifier left it behind",
            "a merge before an order of its patient",
            genes([NONE, NONE, LATE, NONE], &[("merge", 0, (0, 4, 0, 0))]),
        ),
        (
            "an identifier that was merged further spoke again because an older merge named it",
            "such a pair, and then an order that names its patient",
            genes(
                late,
                &[
                    ("merge", 0, (0, 0x0104, 60, 0)),
                    ("merge further", 0, (0, 0x0104, 0, 0)),
                ],
            ),
        ),
        (
            "whom an order names was lost when the identifier had changed before",
            "an order after the change of its patient's identifier",
            genes(
                [NONE, NONE, NONE, LATE],
                &[("change of id", 3, (0, 4, 0, 0))],
            ),
        ),
        (
            "a patient was shown under the identifier that a change had retired, because the last word under it was newer",
            "a change of identifier",
            genes(
                [NONE, NONE, NONE, NONE],
                &[
                    ("change", 3, (3, 1, 30, 0)),
                    ("change of id", 3, (0, 0, 8, 0)),
                    ("arrive", 3, (19, 6, 0, 0)),
                ],
            ),
        ),
        (
            "a visit cancelled before its admission was known came back",
            "a visit cancelled (A11) before an older word on it",
            genes(
                first,
                &[
                    ("admit", 0, (0, 0x0804, 60, 0)),
                    ("cancel visit", 0, (0, 0x0001, 0, 0)),
                ],
            ),
        ),
    ]
}
