//! A department at work: a RIS on several connections and scanners beside it, each keeping what it had no good answer for and sending
//! it again, as real ones do, whatever happens to the product.

use crate::harness::{
    messages::Story,
    mllp::Sender,
    process::Process,
    scanner::{Pps, Scanner},
    wait,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Connections of the RIS.
const SENDERS: usize = 4;
/// Scanners.
const SCANNERS: usize = 2;
/// Of so many orders one is performed.
const PERFORMED: u32 = 2;
/// How long a message may take to be acknowledged, outages included.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the peers were promised.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Orders answered AA.
    pub orders: BTreeSet<u32>,
    /// Exams whose N-CREATE was answered 0000.
    pub created: BTreeSet<u32>,
    /// Exams whose N-SET COMPLETED was answered 0000.
    pub completed: BTreeSet<u32>,
    /// Answers that told the sender to keep its message, by what they said.
    pub kept: BTreeMap<String, usize>,
}

impl Ledger {
    /// Messages acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.orders.len() + self.created.len() + self.completed.len()
    }
}

#[derive(Debug)]
struct Shared {
    mllp: SocketAddr,
    dicom: SocketAddr,
    next: AtomicU32,
    limit: AtomicU32,
    busy: AtomicUsize,
    /// What each message in hand was last told, for a failure's text.
    in_hand: Mutex<BTreeMap<String, String>>,
    over: AtomicBool,
    ledger: Mutex<Ledger>,
    to_perform: Mutex<VecDeque<u32>>,
}

/// The department, working until [`Load::finish`].
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    peers: Vec<thread::JoinHandle<()>>,
}

impl Load {
    /// Starts all peers; they send nothing before [`Load::allow`].
    pub fn on(relais: &Process) -> Self {
        let shared = Arc::new(Shared {
            mllp: relais.mllp,
            dicom: relais.dicom,
            next: AtomicU32::new(1),
            limit: AtomicU32::new(0),
            busy: AtomicUsize::new(0),
            in_hand: Mutex::default(),
            over: AtomicBool::new(false),
            ledger: Mutex::default(),
            to_perform: Mutex::default(),
        });
        let start = |peer: fn(&Shared)| {
            let shared = shared.clone();
            thread::spawn(move || peer(&shared))
        };
        let senders = (0..SENDERS).map(|_| start(ris));
        let scanners = (0..SCANNERS).map(|_| start(scanner));
        let peers = senders.chain(scanners).collect();
        Self { shared, peers }
    }

    /// Lets `n` more orders come.
    pub fn allow(&self, n: u32) {
        self.shared.limit.fetch_add(n, Ordering::SeqCst);
    }

    /// True if all that was allowed is sent and answered.
    pub fn is_idle(&self) -> bool {
        self.shared.is_idle()
    }

    /// What was promised so far.
    pub fn ledger<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.shared.ledger.lock().unwrap())
    }

    /// Waits until everything allowed is acknowledged; what was promised, and how many orders there were.
    pub fn finish(self) -> (Ledger, u32) {
        let shared = &self.shared;
        wait::within_or(
            PATIENCE,
            || format!("all acknowledged: {shared:?}"),
            || shared.is_idle().then_some(()),
        );
        self.shared.over.store(true, Ordering::SeqCst);
        for peer in self.peers {
            peer.join().expect("the peer saw nothing wrong");
        }
        let shared = Arc::into_inner(self.shared).expect("all peers have ended");
        (
            shared.ledger.into_inner().unwrap(),
            shared.limit.into_inner(),
        )
    }
}

/// The message of a story's order.
pub fn order(n: u32) -> Vec<u8> {
    Story::of(n).order("NW", "20260602080000")
}

/// True if the exam of a story is performed.
pub fn is_performed(n: u32) -> bool {
    n.is_multiple_of(PERFORMED)
}

impl Shared {
    fn is_idle(&self) -> bool {
        // Looked at from the end to the beginning, so that nothing passes unseen.
        let none_waits = || self.to_perform.lock().unwrap().is_empty();
        let none_is_busy = || self.busy.load(Ordering::SeqCst) == 0;
        self.next.load(Ordering::SeqCst) > self.limit.load(Ordering::SeqCst)
            && none_waits()
            && none_is_busy()
            && none_waits()
    }

    /// Does what leads to the answer of one message, until there is one that lets it go.
    fn insist(&self, what: &str, mut attempt: impl FnMut() -> Result<(), String>) {
        wait::within(PATIENCE, what, || {
            let told = attempt();
            let mut in_hand = self.in_hand.lock().unwrap();
            match told {
                Ok(()) => {
                    in_hand.remove(what);
                    Some(())
                }
                Err(why) => {
                    in_hand.insert(what.to_owned(), why);
                    None
                }
            }
        });
    }

    fn note(&self, note: impl FnOnce(&mut Ledger)) {
        note(&mut self.ledger.lock().unwrap());
    }

    /// Notes that a message was given back, and with which answer.
    fn kept(&self, answer: String) -> String {
        self.note(|ledger| *ledger.kept.entry(answer.clone()).or_default() += 1);
        answer
    }

    /// Calls `work` with what `take` gives, until the day is over.
    fn work<T>(&self, take: impl Fn() -> Option<T>, mut work: impl FnMut(T)) {
        while !self.over.load(Ordering::SeqCst) {
            let taken = wait::within(PATIENCE, "something to do, or the end", || {
                if self.over.load(Ordering::SeqCst) {
                    return Some(None);
                }
                self.busy.fetch_add(1, Ordering::SeqCst);
                let taken = take();
                if taken.is_none() {
                    self.busy.fetch_sub(1, Ordering::SeqCst);
                }
                taken.map(Some)
            });
            if let Some(taken) = taken {
                work(taken);
                self.busy.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn next_order(&self) -> Option<u32> {
        let limit = self.limit.load(Ordering::SeqCst);
        self.next
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| {
                (n <= limit).then_some(n + 1)
            })
            .ok()
    }
}

/// One connection of the RIS.
fn ris(shared: &Shared) {
    let mut connection = None;
    shared.work(
        || shared.next_order(),
        |n| {
            let message = order(n);
            shared.insist(&format!("AA of order {n}"), || {
                let mut sender = connection
                    .take()
                    .map_or_else(|| Sender::try_connect(shared.mllp), Ok)
                    .map_err(|error| error.to_string())?;
                // No answer: the connection is dropped, and the message sent again on another one.
                let ack = sender.try_send(&message).ok_or("no answer")?;
                assert_eq!(ack.control_id(), format!("NW{n}"));
                connection = Some(sender);
                if ack.code() == "AA" {
                    return Ok(());
                }
                assert_eq!(ack.code(), "AR", "{}", ack.0.replace('\r', "\n"));
                Err(shared.kept(format!("AR {}", ack.error())))
            });
            shared.note(|ledger| {
                ledger.orders.insert(n);
            });
            if is_performed(n) {
                shared.to_perform.lock().unwrap().push_back(n);
            }
        },
    );
}

/// One scanner: it performs what was ordered.
fn scanner(shared: &Shared) {
    const SUCCESS: u16 = 0x0000;
    const PROCESSING_FAILURE: u16 = 0x0110;
    const DUPLICATE_SOP_INSTANCE: u16 = 0x0111;
    const NO_LONGER_UPDATED: Option<u16> = Some(0xA710);
    shared.work(
        || shared.to_perform.lock().unwrap().pop_front(),
        |n| {
            let story = Story::of(n);
            let pps = Pps::of(&story);
            let scanner = Scanner {
                peer: shared.dicom,
                ae: story.station.to_owned(),
            };
            let mut unanswered = false;
            shared.insist(&format!("N-CREATE {n}"), || {
                let response = scanner.reach_create(&pps).map_err(|error| {
                    unanswered = true;
                    error.to_string()
                })?;
                match response.status {
                    SUCCESS => {
                        shared.note(|ledger| {
                            ledger.created.insert(n);
                        });
                        Ok(())
                    }
                    DUPLICATE_SOP_INSTANCE if unanswered => Ok(()),
                    PROCESSING_FAILURE => {
                        // What became of it is not known: a commit that fails may have been carried out.
                        unanswered = true;
                        Err(shared.kept("N-CREATE 0110".to_owned()))
                    }
                    other => panic!("N-CREATE {n}: {other:04X}"),
                }
            });
            unanswered = false;
            shared.insist(&format!("N-SET {n}"), || {
                let response = scanner.reach_complete(&pps).map_err(|error| {
                    unanswered = true;
                    error.to_string()
                })?;
                match (response.status, response.command.error_id) {
                    (SUCCESS, _) => {
                        shared.note(|ledger| {
                            ledger.completed.insert(n);
                        });
                        Ok(())
                    }
                    (PROCESSING_FAILURE, NO_LONGER_UPDATED) if unanswered => Ok(()),
                    (PROCESSING_FAILURE, error) if error != NO_LONGER_UPDATED => {
                        unanswered = true;
                        Err(shared.kept("N-SET 0110".to_owned()))
                    }
                    (other, error) => panic!("N-SET {n}: {other:04X} {error:04X?}"),
                }
            });
        },
    );
}
