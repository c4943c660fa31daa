//! Why something is refused: one reason, rendered natively by each port (HL7 MSA/ERR, DIMSE status, HTTP problem, operator text).

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($variant:ident = $code:literal, $class:ident, $text:literal;)*) => {
        /// The closed list of reasons. The code is stable: it is stored in the journal, named in docs and counted in metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $text] $variant,)* }
        impl Reason {
            /// Every reason, for the reference page and the metrics.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];
            /// Stable code.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)* } }
            /// Plain words, a fragment without the particulars.
            pub fn text(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
            /// What sort of failure it is.
            pub fn class(self) -> Class { match self { $(Self::$variant => Class::$class,)* } }
        }
    };
}

/// What sort of failure a reason is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The content is wrong: the same message will be refused again.
    Content,
    /// The sort of message is not accepted here (HL7 AR 200-203).
    Unsupported,
    /// The content contradicts the stored state.
    State,
    /// Ours: storage away, limits. Trying again later makes sense.
    Temporary,
}

reasons! {
    FieldMissing = "field.missing", Content, "a required field is missing";
    FieldType = "field.type", Content, "a field is not of its type";
    FieldTooLong = "field.too_long", Content, "an identifier is longer than DICOM allows";
    FieldConflict = "field.conflict", Content, "a single-valued field meets several different values";
    CodeUnknown = "code.unknown", Content, "a code is in no table";
    CharsetUndecodable = "charset.undecodable", Content, "bytes are not valid in the declared character set";
    CharsetContradicted = "charset.contradicted", Content, "the declared character set contradicts the bytes";
    CharsetUnknown = "charset.unknown", Content, "the declared character set is not supported";
    MessageUnparsable = "message.unparsable", Content, "the bytes are not a message";
    MessageType = "message.type", Unsupported, "message type not supported";
    MessageEvent = "message.event", Unsupported, "event not supported";
    ProcessingId = "processing_id", Unsupported, "processing id not accepted on this link";
    Version = "version", Unsupported, "HL7 version not supported";
    SenderUnknown = "sender.unknown", Unsupported, "sender is not allowed";
    OrderControl = "order.control", Content, "order control is not known";
    OrderUnknown = "order.unknown", State, "no such order";
    OrderConflict = "order.conflict", State, "the order numbers contradict what is stored";
    OrderFinal = "order.final", State, "the order is already final";
    OrderStarted = "order.started", State, "the exam has already started";
    PatientUnknown = "patient.unknown", State, "no such patient";
    PatientConflict = "patient.conflict", State, "the order belongs to another patient";
    PatientMergeSelf = "patient.merge_self", Content, "a patient cannot be merged into itself";
    IdentityUnqualified = "identity.unqualified", State, "the national identity is not qualified";
    MppsFinal = "mpps.final", State, "the performed procedure step may no longer be updated";
    MppsDuplicate = "mpps.duplicate", State, "a performed procedure step of that UID exists";
    MppsUnknown = "mpps.unknown", State, "no performed procedure step of that UID";
    MppsPatientMismatch = "mpps.patient_mismatch", State, "the performed step names another patient than its order";
    QueryKey = "query.key", Content, "a query key cannot be read";
    RequestParameter = "request.parameter", Content, "a parameter of the request is not allowed";
    RequestPath = "request.path", Content, "nothing is served at this path";
    RequestMethod = "request.method", Content, "the method is not served at this path";
    RequestBody = "request.body", Content, "the body of the request cannot be taken";
    AccessToken = "access.token", Unsupported, "a valid token is needed";
    AccessRole = "access.role", Unsupported, "the role of the token does not allow this";
    AccessAttempts = "access.attempts", Temporary, "too many failed attempts from this address";
    RecordUnknown = "record.unknown", State, "there is no such entry";
    CorrectionImpossible = "correction.impossible", State, "this cannot be done to the entry as it is";
    Limit = "limit", Temporary, "a limit is reached";
    StorageAway = "storage.away", Temporary, "the database is not available";
    Internal = "internal", Temporary, "an error of Relais itself";
}

impl Reason {
    /// The reason of a stored code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.code() == code)
    }

    /// True if it is said over HTTP only: no message is refused for it.
    pub fn is_of_http(self) -> bool {
        matches!(
            self,
            Self::RequestParameter
                | Self::RequestPath
                | Self::RequestMethod
                | Self::RequestBody
                | Self::AccessToken
                | Self::AccessRole
                | Self::AccessAttempts
                | Self::RecordUnknown
                | Self::CorrectionImpossible
        )
    }

    /// True if the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        self.class() == Class::Temporary
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A place in an HL7 message, as ERR-2 (ERL) counts: everything from 1, 0 = not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hl7Place {
    /// Segment id.
    pub segment: String,
    /// Which segment of that id in the message.
    pub occurrence: u16,
    pub field: u16,
    pub repetition: u16,
    pub component: u16,
    pub subcomponent: u16,
}

impl fmt::Display for Hl7Place {
    /// `PID-3[2].4.1`; the segment's occurrence is shown from the second on: `OBX[2]-5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segment)?;
        if self.occurrence > 1 {
            write!(f, "[{}]", self.occurrence)?;
        }
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
        }
        if self.repetition > 1 {
            write!(f, "[{}]", self.repetition)?;
        }
        if self.component > 0 {
            write!(f, ".{}", self.component)?;
        }
        if self.subcomponent > 0 {
            write!(f, ".{}", self.subcomponent)?;
        }
        Ok(())
    }
}

impl Hl7Place {
    /// The first repetition of a field in the first segment of that id: where a value was looked for.
    pub fn field(segment: &str, field: u16) -> Self {
        Self {
            segment: segment.to_owned(),
            occurrence: 1,
            field,
            repetition: 1,
            ..Self::default()
        }
    }
}

/// Where in the source something stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// In an HL7 message.
    Hl7(Hl7Place),
    /// In a DICOM data set, by keywords: `ScheduledStepAttributesSequence[1].AccessionNumber`.
    Dicom(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hl7(p) => p.fmt(f),
            Self::Dicom(p) => f.write_str(p),
        }
    }
}

/// A refusal: what failed, where, what was allowed and what to do. Carries no patient data: `found` describes (a code, a length,
/// a status), it never quotes a name, a date of birth or a patient's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// Where in the message, if a place is to blame.
    pub at: Option<Place>,
    /// What was found there.
    pub found: String,
    /// What would have been accepted.
    pub allowed: String,
    /// What to do next; may be empty.
    pub hint: String,
    /// `ihe_order.toml:27` when a mapping rule decided.
    pub rule: Option<String>,
}

impl Refusal {
    /// A refusal with nothing but its reason and what was found.
    pub fn new(reason: Reason, found: impl Into<String>) -> Self {
        Self {
            reason,
            at: None,
            found: found.into(),
            allowed: String::new(),
            hint: String::new(),
            rule: None,
        }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.at = Some(place);
        self
    }

    /// Adds what was allowed.
    #[must_use]
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = allowed.into();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds the mapping rule, as `file:line`.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())?;
        if let Some(at) = &self.at {
            write!(f, " at {at}")?;
        }
        if !self.found.is_empty() {
            write!(f, ": {}", self.found)?;
        }
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed)?;
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        if let Some(rule) = &self.rule {
            write!(f, " (rule {rule})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
