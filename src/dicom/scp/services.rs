//! What the server is for: the [`Services`] behind it, what they are asked, and what they answer.

use crate::dicom::charset::Charset;
use crate::dicom::dataset::{DataSet, Tag};
use crate::dicom::read::Syntax;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

/// A boxed future, as the methods of [`Services`] return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Calling AE title, blanks trimmed, control characters replaced; not verified.
    pub calling_ae: String,
    /// Called AE title.
    pub called_ae: String,
    /// Network address.
    pub addr: SocketAddr,
}

/// The data set of an N-CREATE or N-SET.
#[derive(Debug, Clone)]
pub struct Body {
    /// As received, for the journal and for forwarding.
    pub bytes: Vec<u8>,
    /// The transfer syntax of `bytes`.
    pub syntax: Syntax,
    /// The same, read.
    pub data: DataSet,
}

/// The answer to a C-FIND. Items are taken one by one between sends.
pub struct FindAnswer {
    /// The matches.
    pub items: Box<dyn Iterator<Item = DataSet> + Send>,
    /// The repertoire that the device demands, if it does.
    pub charset: Option<Charset>,
    /// Some keys of the query are not supported for matching: FF01 instead of FF00.
    pub warning: bool,
    /// There were more matches than are sent: the final status is A700 with this comment.
    pub truncated: Option<String>,
}

/// A service's refusal, as it goes into the response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DimseFailure {
    /// Status (0000,0900), see [`crate::dicom::dimse::status`].
    pub status: u16,
    /// Error Comment (0000,0902); cut at 64 characters. No patient data.
    pub comment: String,
    /// Error ID (0000,0903).
    pub error_id: Option<u16>,
    /// Offending elements: (0000,0901) of a C-FIND, Attribute Identifier List (0000,1005) of an N-service.
    pub offending: Vec<Tag>,
}

impl DimseFailure {
    /// A failure with its status and a comment.
    pub fn new(status: u16, comment: impl Into<String>) -> Self {
        Self {
            status,
            comment: comment.into(),
            ..Self::default()
        }
    }
}

/// What the server is for.
pub trait Services: Send + Sync + 'static {
    /// Whether this peer may associate; if not it is rejected as calling AE not recognized (1/1/3).
    fn admits(&self, _peer: &Peer) -> bool {
        true
    }

    /// The repertoire of 8-bit text that this peer sends without Specific Character Set.
    fn fallback_charset(&self, _peer: &Peer) -> Option<Charset> {
        None
    }

    /// C-FIND on Modality Worklist. Dropped when the peer cancels or goes away.
    fn find<'a>(
        &'a self,
        peer: &'a Peer,
        query: DataSet,
    ) -> BoxFuture<'a, Result<FindAnswer, DimseFailure>>;

    /// N-CREATE of an MPPS; gives its SOP Instance UID, a new one where the peer left it to us. Never dropped half-way while the
    /// server runs.
    fn create<'a>(
        &'a self,
        peer: &'a Peer,
        uid: Option<String>,
        body: Body,
    ) -> BoxFuture<'a, Result<String, DimseFailure>>;

    /// N-SET of an MPPS.
    fn set<'a>(
        &'a self,
        peer: &'a Peer,
        uid: String,
        body: Body,
    ) -> BoxFuture<'a, Result<(), DimseFailure>>;
}
