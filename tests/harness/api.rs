//! A client of the product's HTTP interface. Every answer is held against the interface's own description: a JSON answer against the
//! schema of its operation, every refusal against the schema of problems.

use super::{evidence, schema::violations};
use relais::api::access::{Role, line};
use serde_json::Value;
use std::{
    fs::Permissions,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::OnceLock,
    time::Duration,
};

/// The token of a role in every test.
pub fn token(role: Role) -> String {
    format!("relais_test_{}", role.word())
}

/// Writes a file with a token of each role; holders are named as their role.
pub fn write_tokens(file: &Path) {
    let lines = Role::ALL.map(|role| line(role.word(), role, &token(role)));
    std::fs::write(file, lines.join("\n")).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

/// The interface of one process.
#[derive(Debug, Clone, Copy)]
pub struct Api {
    pub addr: SocketAddr,
    /// Whose token is sent; none = no token.
    pub role: Option<Role>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Lines of the head, lower case names.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|l| l.strip_prefix(&prefix))
    }
}

impl Api {
    /// The same as another role.
    pub fn as_role(self, role: Role) -> Self {
        Self {
            role: Some(role),
            ..self
        }
    }

    /// A GET, which must succeed.
    pub fn get(self, path: &str) -> Value {
        let answer = self.ask("GET", path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// A POST, which must succeed.
    pub fn post(self, path: &str) -> Value {
        let answer = self.ask("POST", path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Any request; the answer has been held against the description.
    pub fn ask(self, method: &str, path: &str) -> Answer {
        let token = self.role.map(token);
        let answer = self.raw(method, path, token.as_deref(), "");
        hold(self.description(), method, path, &answer);
        if answer.status != 200 {
            evidence::told("problem", &answer.text());
        }
        answer
    }

    /// Any request with any token and further header lines.
    pub fn raw(self, method: &str, path: &str, token: Option<&str>, more: &str) -> Answer {
        let mut stream = self.send(method, path, token, more);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("an HTTP head");
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: answer[end + 4..].to_vec(),
        }
    }

    fn send(self, method: &str, path: &str, token: Option<&str>, more: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).unwrap();
        let token = token.map_or(String::new(), |t| format!("authorization: Bearer {t}\r\n"));
        let addr = self.addr;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{token}{more}\r\n"
        )
        .unwrap();
        stream
    }

    /// Opens the stream of events after one, or from now on.
    pub fn events(self, after: Option<&str>) -> Listener {
        let last = after.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        let token = self.role.map(token);
        let stream = self.send("GET", "/api/events", token.as_deref(), &last);
        let mut listener = Listener {
            lines: BufReader::new(stream),
        };
        // The first line of the stream itself: from here on nothing is missed.
        while !listener.line().starts_with("retry:") {}
        listener
    }

    /// The OpenAPI document, the same of every process of a test run.
    pub fn description(self) -> &'static Value {
        static DESCRIPTION: OnceLock<Value> = OnceLock::new();
        DESCRIPTION.get_or_init(|| self.raw("GET", "/api/openapi.json", None, "").json())
    }
}

/// A stream of events.
pub struct Listener {
    lines: BufReader<TcpStream>,
}

impl Listener {
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(
            self.lines.read_line(&mut line).unwrap() > 0,
            "the stream ended"
        );
        line.trim_end().to_owned()
    }

    /// Reads on until the stream ends, in whatever way; what came. None if it goes on.
    pub fn rest(mut self) -> Option<String> {
        let mut rest = Vec::new();
        match self.lines.read_to_end(&mut rest) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            _ => Some(String::from_utf8_lossy(&rest).into_owned()),
        }
    }

    /// The next event: its id, name and data.
    pub fn next(&mut self) -> (String, String, Value) {
        let (mut id, mut name) = (String::new(), String::new());
        loop {
            let line = self.line();
            if let Some(found) = line.strip_prefix("id: ") {
                id = found.to_owned();
            } else if let Some(found) = line.strip_prefix("event: ") {
                name = found.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (id, name, serde_json::from_str(data).unwrap());
            }
        }
    }
}

/// Holds an answer against the description.
fn hold(description: &Value, method: &str, path: &str, answer: &Answer) {
    let shown = || format!("{method} {path}: {} {}", answer.status, answer.text());
    for header in [
        "x-content-type-options",
        "cache-control",
        "content-security-policy",
    ] {
        assert!(answer.header(header).is_some(), "no {header}: {}", shown());
    }
    let media = answer.header("content-type").unwrap_or("");
    let schema = if answer.status == 200 {
        let Some(operation) = operation(description, method, path) else {
            panic!("answered and not described: {}", shown());
        };
        let content = operation["responses"]["200"]["content"]
            .as_object()
            .unwrap();
        let (described, content) = content.iter().next().unwrap();
        assert!(
            media.starts_with(described.as_str()),
            "{media}: {}",
            shown()
        );
        content
            .get("schema")
            .filter(|_| media == "application/json")
    } else {
        assert_eq!(media, "application/problem+json", "{}", shown());
        Some(&description["components"]["schemas"]["Problem"])
    };
    if let Some(schema) = schema {
        let found = violations(schema, &answer.json());
        assert!(found.is_empty(), "{found:?}\n{}", shown());
    }
}

/// The described operation of a path.
fn operation<'d>(description: &'d Value, method: &str, path: &str) -> Option<&'d Value> {
    let path = path.split('?').next()?;
    let fits = |template: &str| {
        let (a, b): (Vec<&str>, Vec<&str>) =
            (template.split('/').collect(), path.split('/').collect());
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || a.starts_with('{'))
    };
    let paths = description["paths"].as_object()?;
    let (_, methods) = paths.iter().find(|(template, _)| fits(template))?;
    methods.get(method.to_ascii_lowercase())
}
