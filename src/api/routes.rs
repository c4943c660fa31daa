//! Every path that is served, declared once: the router, the check of roles, the reading of parameters, the audit and the OpenAPI
//! document are all made from [`ROUTES`].

use super::access::Role;
use super::gate::{Ask, Reply};
use super::params::{Kind, Param};
use super::problem::Problem;
use super::{
    answers, corrections, events, mapping, messages, openapi, queues, records, schema, system,
    worklist,
};
use crate::domain::record::PPS_STATUS;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody: it holds no data of patients.
    Open,
    /// Everybody while HTTP listens on a loopback address only, else any token.
    Scrape,
    /// A token of at least this role.
    Role(Role),
}

/// The method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    /// A correction.
    Post,
}

/// What a route answers.
#[derive(Clone, Copy)]
pub enum Answer {
    /// JSON of this schema.
    Json(fn() -> Value),
    /// Another media type.
    Media(&'static str),
    /// Server-sent events whose data is JSON of this schema.
    Events(fn() -> Value),
}

/// A handler.
pub type Handler = fn(Ask) -> Pin<Box<dyn Future<Output = Result<Reply, Problem>>>>;

/// One path with its method.
pub struct Route {
    /// Operation id, action of the audit trail and label of the metrics.
    pub name: &'static str,
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    /// True if the answer holds data of patients, or something is changed: then it is on the trail.
    pub audited: bool,
    /// What the trail says that the ids of the answer are.
    pub subject: &'static str,
    pub summary: &'static str,
    pub params: &'static [Param],
    pub answer: Answer,
    pub handler: Handler,
}

impl Route {
    /// True if it changes nothing.
    pub fn is_read(&self) -> bool {
        self.method == Method::Get
    }
}

const ID: Param = Param::path("id", Kind::Id, "Which one.");
const TARGET: Param = Param::path("name", Kind::Text(64), "Name of the target.");
const LIMIT: Param = Param::query("limit", Kind::Limit, "Rows of a page; 50 if not said.");
const CURSOR: Param = Param::query("cursor", Kind::Cursor, "Where the page begins.");
const FROM_DAY: Param = Param::query(
    "from",
    Kind::Day,
    "First day of the start, on the site's calendar.",
);
const TO_DAY: Param = Param::query("to", Kind::Day, "Last day of the start.");
const FROM: Param = Param::query("from", Kind::Moment, "First moment.");
const TO: Param = Param::query("to", Kind::Moment, "Last moment.");
const PATIENT: Param = Param::query("patient", Kind::Id, "Id of the patient.");
const BECAUSE: Param = Param::query(
    "because",
    Kind::Text(200),
    "Why, for the journal. No names of patients.",
);

const EXAM_STATUS: Kind = Kind::Word(&[
    "mentioned",
    "scheduled",
    "held",
    "started",
    "completed",
    "discontinued",
    "canceled",
]);
const OUTBOX_STATE: Kind = Kind::Word(&["queued", "delivered", "held", "discarded"]);
const DIRECTION: Kind = Kind::Word(&["in", "out"]);
const ACCESS: Kind = Kind::Word(&["allowed", "denied", "refused", "asked"]);

const EXAMS: &[Param] = &[
    Param::query("status", EXAM_STATUS, "Status of the exam."),
    FROM_DAY,
    TO_DAY,
    Param::query(
        "modality",
        Kind::Text(16),
        "Modality of any of its steps: `CT`.",
    ),
    Param::query(
        "station",
        Kind::Text(16),
        "AE title that any of its steps is scheduled for.",
    ),
    Param::query(
        "accession",
        Kind::Text(64),
        "Accession number, whoever issued it.",
    ),
    PATIENT,
    Param::query(
        "incomplete",
        Kind::Flag,
        "Only exams whose open steps lack something.",
    ),
    LIMIT,
    CURSOR,
];
const PATIENTS: &[Param] = &[
    Param::query(
        "identifier",
        Kind::Text(128),
        "Any identifier of the patient, whoever issued it.",
    ),
    Param::query(
        "name",
        Kind::Text(128),
        "The beginning of the name, family^given; case and accents do not count. The audit trail keeps what was asked.",
    ),
    LIMIT,
    CURSOR,
];
const STEPS: &[Param] = &[
    Param::query(
        "status",
        Kind::Word(PPS_STATUS),
        "Status of the performed step.",
    ),
    FROM_DAY,
    TO_DAY,
    Param::query("study_uid", Kind::Text(64), "Study Instance UID."),
    PATIENT,
    Param::query(
        "unlinked",
        Kind::Flag,
        "Only those that no scheduled step is linked to.",
    ),
    LIMIT,
    CURSOR,
];
const MESSAGES: &[Param] = &[
    Param::query("direction", DIRECTION, "Received or sent."),
    Param::query(
        "outcome",
        Kind::Text(32),
        "`applied`, `refused`, `repeated` ...",
    ),
    Param::query("reason", Kind::Text(64), "Reason code of a refusal."),
    Param::query(
        "link",
        Kind::Text(64),
        "Name of the link, or of the target.",
    ),
    FROM,
    TO,
    Param::query(
        "control_id",
        Kind::Text(199),
        "MSH-10, or the SOP Instance UID.",
    ),
    Param::query(
        "open",
        Kind::Flag,
        "Only refused ones that nobody has dealt with, and no later success of their sender has overtaken.",
    ),
    LIMIT,
    CURSOR,
];
const WORKLIST: &[Param] = &[
    Param::query("station", Kind::Text(16), "AE title of the station.").required(),
    Param::query(
        "date",
        Kind::Day,
        "Day of the scheduled start; all days if not said.",
    ),
    Param::query(
        "modality",
        Kind::Text(16),
        "As the station's own query would say it.",
    ),
];
const WHY_NOT: &[Param] = &[
    Param::query("calling", Kind::Text(16), "AE title of the scanner.").required(),
    Param::query(
        "number",
        Kind::Text(64),
        "Accession number or Scheduled Procedure Step ID.",
    )
    .required(),
    Param::query(
        "address",
        Kind::Text(45),
        "IP address of the scanner, where a device file goes by it.",
    ),
    Param::query(
        "query",
        Kind::Text(500),
        "Keys of its query, `;` between them: `Modality=CT;ScheduledStationAETitle=CT2`.",
    ),
    Param::query(
        "last",
        Kind::Flag,
        "Its last query, as the journal has it, in place of `query`.",
    ),
];
const QUERIES: &[Param] = &[
    Param::query("device", Kind::Text(16), "Calling AE title."),
    FROM,
    TO,
    LIMIT,
    CURSOR,
];
const OUTBOX: &[Param] = &[
    Param::query("target", Kind::Text(64), "Name of the target."),
    Param::query(
        "state",
        OUTBOX_STATE,
        "State; without a target, that of the configured targets.",
    ),
    Param::query("subject", Kind::Text(64), "What is published: `exam/123`."),
    LIMIT,
    CURSOR,
];
const EVENTS: &[Param] = &[Param::query(
    "after",
    Kind::Id,
    "The last event seen; the header Last-Event-ID wins. Without: from now on.",
)];
const MAPPING_FILE: &[Param] = &[Param::query(
    "file",
    Kind::Text(128),
    "Name of the file: `inbound/ihe_order.toml`, or `ihe_order`.",
)
.required()];
const AUDIT: &[Param] = &[
    Param::query("who", Kind::Text(64), "Name of the token."),
    Param::query("action", Kind::Text(64), "Operation: `get_exam`."),
    Param::query("outcome", ACCESS, "What came of it."),
    Param::query(
        "patient",
        Kind::Id,
        "Only answers that held data of this patient.",
    ),
    FROM,
    TO,
    LIMIT,
    CURSOR,
];

macro_rules! routes {
    ($($method:ident $path:literal $name:ident $access:expr, $audited:literal, $subject:literal, $params:expr, $answer:expr, $handler:path, $summary:literal;)*) => {
        &[$(Route {
            name: stringify!($name),
            method: Method::$method,
            path: $path,
            access: $access,
            audited: $audited,
            subject: $subject,
            summary: $summary,
            params: $params,
            answer: $answer,
            handler: |ask| Box::pin($handler(ask)),
        },)*]
    };
}

const VIEWER: Access = Access::Role(Role::Viewer);
const OPERATOR: Access = Access::Role(Role::Operator);
const ADMIN: Access = Access::Role(Role::Admin);
const TEXT: Answer = Answer::Media("text/plain");

/// A page of items of a schema.
macro_rules! page {
    ($item:path) => {
        Answer::Json(|| schema::page($item()))
    };
}

/// Every route. Columns: method, path, operation, who may, on the audit trail?, what its ids are, parameters, answer, handler, summary.
#[rustfmt::skip]
pub const ROUTES: &[Route] = routes! {
    Get "/health/live" live Access::Open, false, "", &[], TEXT, system::live, "The process answers.";
    Get "/health/ready" ready Access::Open, false, "", &[], TEXT, system::ready, "Messages can be taken right now.";
    Get "/metrics" metrics Access::Scrape, false, "", &[], TEXT, system::metrics, "Metrics for Prometheus.";
    Get "/api/openapi.json" openapi Access::Open, false, "", &[], Answer::Json(schema::any), openapi::document, "This interface as OpenAPI 3.1.";
    Get "/api/docs" docs Access::Open, false, "", &[], Answer::Media("text/html"), openapi::page, "This interface as a page.";
    Get "/api/exams" list_exams VIEWER, true, "exam", EXAMS, page!(answers::exam_item), records::exams, "Exams, latest start first.";
    Get "/api/exams/{id}" get_exam VIEWER, true, "exam", &[ID], Answer::Json(answers::exam), records::exam, "An exam with the origin of every value, its events, and why it is incomplete.";
    Get "/api/patients" list_patients VIEWER, true, "patient", PATIENTS, page!(answers::patient_item), records::patients, "Patients, latest first.";
    Get "/api/patients/{id}" get_patient VIEWER, true, "patient", &[ID], Answer::Json(answers::patient), records::patient, "A patient with the origin of every value.";
    Get "/api/steps" list_steps VIEWER, true, "performed", STEPS, page!(answers::performed_item), records::steps, "Performed steps (MPPS), latest start first.";
    Get "/api/steps/{id}" get_step VIEWER, true, "performed", &[ID], Answer::Json(answers::performed), records::step, "A performed step with the origin of every value.";
    Get "/api/messages" list_messages VIEWER, true, "message", MESSAGES, page!(answers::message_item), messages::list, "Messages in and out with what became of them, latest first.";
    Get "/api/messages/{id}" get_message OPERATOR, true, "message", &[ID], Answer::Json(answers::message), messages::one, "A message with its parse, acknowledgement and effects.";
    Get "/api/messages/{id}/body" get_message_body OPERATOR, true, "message", &[ID], Answer::Media("application/octet-stream"), messages::body, "The bytes of a message as they were.";
    Get "/api/worklist" get_worklist VIEWER, true, "scheduled step", WORKLIST, Answer::Json(answers::worklist), worklist::worklist, "The worklist as a station sees it.";
    Get "/api/worklist/why-not" why_not VIEWER, true, "scheduled step", WHY_NOT, Answer::Json(answers::why_not), worklist::why_not, "Why a scanner is shown the steps of a number, or why not: one verdict per gate and key.";
    Get "/api/queries" list_queries VIEWER, true, "query", QUERIES, page!(answers::query), queues::queries, "Worklist queries of the scanners, latest first.";
    Get "/api/outbox" list_outbox VIEWER, true, "publication", OUTBOX, page!(answers::outbox_item), queues::outbox, "Publications, latest first.";
    Get "/api/outbox/{id}" get_publication VIEWER, true, "publication", &[ID], Answer::Json(answers::outbox), queues::publication, "A publication with its attempts and the server's words.";
    Get "/api/mapping" get_mapping VIEWER, false, "", &[], Answer::Json(mapping::revisions), mapping::mapping, "The mapping revision in force, its files, and the revisions before.";
    Get "/api/mapping/status" get_mapping_status VIEWER, false, "", &[], Answer::Json(mapping::in_force), mapping::status, "The mapping revision in force, since when, and why the files on disk are not it.";
    Get "/api/mapping/explain" explain_mapping VIEWER, false, "", MAPPING_FILE, Answer::Json(mapping::explained), mapping::explain, "The rules of a mapping file in force as sentences, each with the line that it comes from.";
    Get "/api/events" stream_events VIEWER, true, "event", EVENTS, Answer::Events(answers::event), events::events, "Committed events as they happen; resumes with Last-Event-ID.";
    Get "/api/audit" list_audit ADMIN, true, "access", AUDIT, page!(answers::audit), queues::audit, "Who read or changed what, latest first.";
    Post "/api/messages/{id}/replay" replay_message OPERATOR, true, "message", &[ID, BECAUSE], Answer::Json(corrections::replayed), corrections::replay, "Translates a received message again by today's mapping and executes it.";
    Post "/api/messages/{id}/discard" discard_message OPERATOR, true, "message", &[ID, BECAUSE.required()], Answer::Json(corrections::noted), corrections::discard_message, "Marks a refused message as handled.";
    Post "/api/outbox/{id}/retry" retry_publication OPERATOR, true, "publication", &[ID, BECAUSE], Answer::Json(corrections::touched), corrections::retry, "Sends a publication that waits, is held or was given up at once.";
    Post "/api/outbox/{id}/resend" resend_publication OPERATOR, true, "publication", &[ID, BECAUSE], Answer::Json(corrections::touched), corrections::resend, "Sends a delivered publication once more.";
    Post "/api/targets/{name}/pause" pause_target OPERATOR, true, "target", &[TARGET, BECAUSE.required()], Answer::Json(corrections::pausing), corrections::pause, "Sends nothing to a target until it is resumed.";
    Post "/api/targets/{name}/resume" resume_target OPERATOR, true, "target", &[TARGET, BECAUSE], Answer::Json(corrections::pausing), corrections::resume, "Sends to a target again.";
    Post "/api/mapping/reload" reload_mapping ADMIN, true, "mapping", &[BECAUSE], Answer::Json(mapping::reloaded), mapping::reload, "Reads the mapping files now; they take effect if they check and their cases pass.";
    Post "/api/outbox/{id}/skip" skip_publication OPERATOR, true, "publication", &[ID, BECAUSE.required()], Answer::Json(corrections::touched), corrections::skip, "Gives a publication up; what comes after it is sent.";
};
