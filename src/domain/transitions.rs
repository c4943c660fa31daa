//! What may become of a scheduled step: one table, from status and act to outcome. Every cell is tested.
//!
//! Neighbours: `order` and `admission` bring acts of RIS and HIS, `mpps` those of the scanner. Rule upheld: final states are terminal
//! for RIS and HIS, while what the scanner did is true whatever the RIS wished (ihe-dicom: order control, status of the step).

use super::command::OrderAct;
use super::exam::{Stated, StepStatus};
use super::reason::Reason;
use super::time::{AsOf, Role};

/// Something that bears on a step's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// What an order message asks for.
    Order(OrderAct),
    /// The patient is here (ADT^A10, filler status "arrived").
    Arrive,
    /// All preparation is done.
    Prepare,
    /// A performed step of the step is in progress.
    PerformedStarted,
    /// No performed step is open, and at least one is completed.
    PerformedCompleted,
    /// All performed steps are discontinued, and images exist (or the site takes it as the end).
    PerformedDiscontinued,
    /// Nothing was performed after all: no images, or the wrong worklist entry (110514).
    PerformedUndone,
}

impl Act {
    /// The word that events and refusals show.
    pub fn word(self) -> &'static str {
        match self {
            Self::Order(act) => act.word(),
            Self::Arrive => "arrive",
            Self::Prepare => "prepare",
            Self::PerformedStarted => "performed_started",
            Self::PerformedCompleted => "performed_completed",
            Self::PerformedDiscontinued => "performed_discontinued",
            Self::PerformedUndone => "performed_undone",
        }
    }

    /// The act by which a message that states a status (`step.status`) brings the step there; `None` for the initial one.
    pub fn of_status(status: StepStatus) -> Option<Self> {
        match status {
            StepStatus::Scheduled => None,
            StepStatus::Arrived => Some(Self::Arrive),
            StepStatus::Ready => Some(Self::Prepare),
            StepStatus::Started => Some(Self::Order(OrderAct::Start)),
            StepStatus::Completed => Some(Self::Order(OrderAct::Complete)),
            StepStatus::Discontinued => Some(Self::Order(OrderAct::Discontinue)),
            StepStatus::Canceled => Some(Self::Order(OrderAct::Cancel)),
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A RIS, HIS or patient administration.
    Ris,
    /// The scanner, through its performed steps.
    Scanner,
    /// A person at Relais.
    Operator,
}

impl Source {
    /// The source of a message by the role of its link.
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Operator => Self::Operator,
            Role::Scanner => Self::Scanner,
            Role::Mention | Role::Order | Role::Scheduled | Role::Adt => Self::Ris,
        }
    }
}

/// What an act does to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The status changes.
    To(StepStatus),
    /// Allowed, the status stays (hold and release set the step's flag).
    Stay,
    /// Not possible.
    Refuse(Reason),
    /// Too late to cancel: refused or only flagged, as the site's policy says (C8).
    Flag,
}

use Act::{
    Arrive, Order, PerformedCompleted, PerformedDiscontinued, PerformedStarted, PerformedUndone,
    Prepare,
};
use OrderAct::{
    Cancel, CancelRequest, Change, Complete, Discontinue, Hold, Release, Schedule, Start,
};
use Outcome::{Flag, Stay};
use Source::{Operator, Ris, Scanner};

// The cells, short so that a row stays a row.
const SCHEDULED: Outcome = Outcome::To(StepStatus::Scheduled);
const ARRIVED: Outcome = Outcome::To(StepStatus::Arrived);
const READY: Outcome = Outcome::To(StepStatus::Ready);
const STARTED: Outcome = Outcome::To(StepStatus::Started);
const COMPLETED: Outcome = Outcome::To(StepStatus::Completed);
const DISCONTD: Outcome = Outcome::To(StepStatus::Discontinued);
const CANCELED: Outcome = Outcome::To(StepStatus::Canceled);
const BEGUN: Outcome = Outcome::Refuse(Reason::OrderStarted);
const FINAL: Outcome = Outcome::Refuse(Reason::OrderFinal);

/// Who does what: the outcome for each status in the order of [`StepStatus::ALL`].
#[rustfmt::skip]
pub const TRANSITIONS: &[(Source, Act, [Outcome; 7])] = &[
    //                              scheduled  arrived    ready      started    completed  discont.   canceled
    (Ris, Order(Schedule),         [Stay,      Stay,      Stay,      Stay,      Stay,      Stay,      Stay]),
    (Ris, Order(Change),           [Stay,      Stay,      Stay,      Stay,      Stay,      Stay,      Stay]),
    (Ris, Order(Hold),             [Stay,      Stay,      Stay,      BEGUN,     FINAL,     FINAL,     FINAL]),
    (Ris, Order(Release),          [Stay,      Stay,      Stay,      Stay,      Stay,      Stay,      Stay]),
    (Ris, Order(Cancel),           [CANCELED,  CANCELED,  CANCELED,  Flag,      Flag,      Stay,      Stay]),
    (Ris, Order(CancelRequest),    [CANCELED,  CANCELED,  CANCELED,  Flag,      Flag,      Stay,      Stay]),
    (Ris, Order(Discontinue),      [DISCONTD,  DISCONTD,  DISCONTD,  DISCONTD,  FINAL,     Stay,      Stay]),
    (Ris, Order(Complete),         [COMPLETED, COMPLETED, COMPLETED, COMPLETED, Stay,      FINAL,     FINAL]),
    (Ris, Order(Start),            [STARTED,   STARTED,   STARTED,   Stay,      Stay,      Stay,      FINAL]),
    (Ris, Arrive,                  [ARRIVED,   Stay,      Stay,      Stay,      Stay,      Stay,      Stay]),
    (Ris, Prepare,                 [READY,     READY,     Stay,      Stay,      Stay,      Stay,      Stay]),
    (Scanner, PerformedStarted,    [STARTED,   STARTED,   STARTED,   Stay,      STARTED,   STARTED,   STARTED]),
    (Scanner, PerformedCompleted,  [COMPLETED, COMPLETED, COMPLETED, COMPLETED, Stay,      COMPLETED, COMPLETED]),
    (Scanner, PerformedDiscontinued, [DISCONTD, DISCONTD, DISCONTD,  DISCONTD,  DISCONTD,  Stay,      DISCONTD]),
    (Scanner, PerformedUndone,     [Stay,      Stay,      Stay,      SCHEDULED, Stay,      Stay,      Stay]),
    (Operator, Order(Schedule),    [Stay,      Stay,      Stay,      Stay,      SCHEDULED, SCHEDULED, SCHEDULED]),
    (Operator, Order(Change),      [Stay,      Stay,      Stay,      Stay,      Stay,      Stay,      Stay]),
    (Operator, Order(Hold),        [Stay,      Stay,      Stay,      BEGUN,     FINAL,     FINAL,     FINAL]),
    (Operator, Order(Release),     [Stay,      Stay,      Stay,      Stay,      Stay,      Stay,      Stay]),
    (Operator, Order(Cancel),      [CANCELED,  CANCELED,  CANCELED,  CANCELED,  FINAL,     Stay,      Stay]),
    (Operator, Order(CancelRequest), [CANCELED, CANCELED, CANCELED,  CANCELED,  FINAL,     Stay,      Stay]),
    (Operator, Order(Discontinue), [DISCONTD,  DISCONTD,  DISCONTD,  DISCONTD,  FINAL,     Stay,      Stay]),
    (Operator, Order(Complete),    [COMPLETED, COMPLETED, COMPLETED, COMPLETED, Stay,      COMPLETED, FINAL]),
    (Operator, Order(Start),       [STARTED,   STARTED,   STARTED,   Stay,      STARTED,   STARTED,   STARTED]),
    (Operator, Arrive,             [ARRIVED,   Stay,      Stay,      Stay,      Stay,      Stay,      Stay]),
    (Operator, Prepare,            [READY,     READY,     Stay,      Stay,      Stay,      Stay,      Stay]),
];

/// The outcome of an act. A pair that the table does not know (a scanner that orders) is refused.
pub fn outcome(from: StepStatus, act: Act, source: Source) -> Outcome {
    TRANSITIONS
        .iter()
        .find(|(s, a, _)| (*s, *a) == (source, act))
        .map_or(Outcome::Refuse(Reason::OrderControl), |(_, _, cells)| {
            cells[from as usize]
        })
}

/// What an act of RIS or HIS does that comes late: it was said before the status that a newer word of theirs has set. Where both were
/// admitted, the outcome is that of the order in which they were said: what is over stays over, what is begun is not begun less, and
/// of two ends without images the first stands. A cancel counts against an order that was only scheduled since, and comes too late
/// for one that was begun. Late is never wrong: nothing is refused.
fn late(present: StepStatus, act: Act) -> Outcome {
    let Outcome::To(target) = outcome(StepStatus::Scheduled, act, Source::Ris) else {
        return Stay;
    };
    let counts = if present.is_final() {
        is_unsuccessful(present) && is_unsuccessful(target)
    } else if target == StepStatus::Canceled {
        present != StepStatus::Started
    } else {
        target > present
    };
    // An end that was said earlier still is the same end, but an older one.
    if counts && (target != present || target.is_final()) {
        Outcome::To(target)
    } else {
        Stay
    }
}

fn is_unsuccessful(status: StepStatus) -> bool {
    matches!(status, StepStatus::Discontinued | StepStatus::Canceled)
}

/// True if two words mean the same for what the scanner begins: a start, a success, or an end without images.
fn is_same(a: StepStatus, b: StepStatus) -> bool {
    a == b && a >= StepStatus::Started || is_unsuccessful(a) && is_unsuccessful(b)
}

/// What RIS and HIS wish after an admitted act of theirs: their wishes go by age among themselves, whatever the scanner did meanwhile.
/// An act that was only admitted because of what the scanner did takes the place of the older wish. A start or an end keeps its first
/// and its last word: by the first others come late, by the last it ends what the scanner began.
pub fn wished(wish: Stated<StepStatus>, act: Act, as_of: AsOf) -> Stated<StepStatus> {
    let source = Source::of_role(as_of.role);
    let plain = outcome(StepStatus::Scheduled, act, source);
    let verdict = if as_of < wish.as_of {
        late(wish.value, act)
    } else {
        match outcome(wish.value, act, source) {
            // Said between twice the same: late, too.
            Outcome::Refuse(_) | Flag if as_of < wish.last_said() => Stay,
            Outcome::Refuse(_) | Flag => plain,
            admitted => admitted,
        }
    };
    match verdict {
        Outcome::To(value) if is_same(value, wish.value) => Stated {
            value,
            as_of,
            again: Some(wish.last()),
        },
        Outcome::To(value) => Stated::new(value, as_of),
        _ => match plain {
            Outcome::To(value) if is_same(value, wish.value) && as_of > wish.last_said() => {
                Stated {
                    again: Some((value, as_of)),
                    ..wish
                }
            }
            _ => wish,
        },
    }
}

/// What is true of a step that performed steps refer to: their course, as `TRANSITIONS` lets it act on what RIS and HIS wish. A wish
/// that was said, or said again, after the scanner's last word counts only where the scanner left something open: it ends what is in
/// progress, and speaks again once nothing was performed after all. An operator's newer word always counts.
pub fn effective(wish: Stated<StepStatus>, course: Act, scanner: AsOf) -> Stated<StepStatus> {
    let (last, said) = wish.last();
    let newer = said > scanner;
    let speaks = match course {
        _ if said.role == Role::Operator => newer,
        PerformedUndone => newer,
        PerformedStarted => newer && wish.value.is_final(),
        _ => false,
    };
    match outcome(wish.value, course, Scanner) {
        Outcome::To(value) if !speaks => Stated::new(value, scanner),
        _ if speaks => Stated {
            value: last,
            ..wish
        },
        _ => wish,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table said a second time, as rules in words: each cell must agree.
    fn expected(from: StepStatus, act: Act, source: Source) -> Outcome {
        let open = matches!(
            from,
            StepStatus::Scheduled | StepStatus::Arrived | StepStatus::Ready
        );
        let unsuccessful = matches!(from, StepStatus::Discontinued | StepStatus::Canceled);
        let to = |status| {
            if status == from {
                Stay
            } else {
                Outcome::To(status)
            }
        };
        let operator = source == Operator;
        match (source, act) {
            (Scanner, PerformedStarted) => to(StepStatus::Started),
            (Scanner, PerformedCompleted) => to(StepStatus::Completed),
            (Scanner, PerformedDiscontinued) => to(StepStatus::Discontinued),
            (Scanner, PerformedUndone) if from == StepStatus::Started => to(StepStatus::Scheduled),
            (Scanner, PerformedUndone) => Stay,
            (Scanner, _) => Outcome::Refuse(Reason::OrderControl),
            (_, Order(Schedule)) if operator && from.is_final() => to(StepStatus::Scheduled),
            (_, Order(Schedule | Change | Release)) => Stay,
            (_, Order(Hold)) if open => Stay,
            (_, Order(Hold)) if from == StepStatus::Started => BEGUN,
            (_, Order(Hold)) => FINAL,
            (_, Order(Cancel | CancelRequest)) => match from {
                _ if open => to(StepStatus::Canceled),
                _ if unsuccessful => Stay,
                StepStatus::Started if operator => to(StepStatus::Canceled),
                StepStatus::Completed if operator => FINAL,
                _ => Flag,
            },
            (_, Order(Discontinue)) if unsuccessful => Stay,
            (_, Order(Discontinue)) if from == StepStatus::Completed => FINAL,
            (_, Order(Discontinue)) => to(StepStatus::Discontinued),
            (_, Order(Complete)) if operator && from == StepStatus::Discontinued => {
                to(StepStatus::Completed)
            }
            (_, Order(Complete)) if unsuccessful => FINAL,
            (_, Order(Complete)) => to(StepStatus::Completed),
            (_, Order(Start)) if open || operator => to(StepStatus::Started),
            (_, Order(Start)) if from == StepStatus::Canceled => FINAL,
            (_, Order(Start)) => Stay,
            (_, Arrive) if from == StepStatus::Scheduled => to(StepStatus::Arrived),
            (_, Prepare) if open => to(StepStatus::Ready),
            (_, Arrive | Prepare) => Stay,
            _ => Outcome::Refuse(Reason::OrderControl),
        }
    }

    #[test]
    fn c02_every_cell_of_the_table_says_what_the_rules_say() {
        let mut acts: Vec<Act> = OrderAct::ALL.into_iter().map(Order).collect();
        acts.extend([
            Arrive,
            Prepare,
            PerformedStarted,
            PerformedCompleted,
            PerformedDiscontinued,
            PerformedUndone,
        ]);
        let mut cells = 0;
        for source in [Ris, Scanner, Operator] {
            for act in &acts {
                for from in StepStatus::ALL {
                    let got = outcome(from, *act, source);
                    assert_eq!(
                        got,
                        expected(from, *act, source),
                        "{source:?} {act:?} {from:?}"
                    );
                    cells += 1;
                }
            }
        }
        assert_eq!(cells, 3 * 15 * 7);
    }

    #[test]
    fn no_row_stands_twice() {
        for (i, (source, act, _)) in TRANSITIONS.iter().enumerate() {
            assert!(
                TRANSITIONS[..i]
                    .iter()
                    .all(|(s, a, _)| (s, a) != (source, act)),
                "{source:?} {act:?}"
            );
        }
    }

    #[test]
    fn c02_no_message_of_a_ris_leaves_a_final_status() {
        for (_, act, cells) in TRANSITIONS.iter().filter(|(s, ..)| *s == Ris) {
            for from in StepStatus::ALL.into_iter().filter(|s| s.is_final()) {
                assert!(
                    !matches!(cells[from as usize], Outcome::To(_)),
                    "{act:?} {from:?}"
                );
            }
        }
    }

    /// What two acts leave, in the order in which they were said; `None` if one of them is refused or flagged.
    fn in_order(acts: [Act; 2]) -> Option<StepStatus> {
        acts.into_iter()
            .try_fold(StepStatus::Scheduled, |from, act| {
                match outcome(from, act, Ris) {
                    Outcome::To(to) => Some(to),
                    Stay => Some(from),
                    _ => None,
                }
            })
    }

    #[test]
    fn c04_a_late_act_leaves_what_it_would_have_left_in_time() {
        let mut acts: Vec<Act> = OrderAct::ALL.into_iter().map(Order).collect();
        acts.extend([Arrive, Prepare]);
        let mut compared = 0;
        for old in &acts {
            for new in &acts {
                let Some(expected) = in_order([*old, *new]) else {
                    continue;
                };
                let present = match outcome(StepStatus::Scheduled, *new, Ris) {
                    Outcome::To(to) => to,
                    _ => StepStatus::Scheduled,
                };
                let got = match late(present, *old) {
                    Outcome::To(to) => to,
                    _ => present,
                };
                assert_eq!(got, expected, "{new:?}, then late {old:?}");
                compared += 1;
            }
        }
        assert!(compared > 80, "{compared}");
    }
}
