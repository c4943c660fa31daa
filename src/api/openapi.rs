//! The interface described by itself: OpenAPI 3.1 and a page, both made from the table of routes, both served without any other host.

use super::access::Role;
use super::gate::{Ask, Content, Reply, Seen};
use super::params::In;
use super::problem::{self, Problem, status_of};
use super::routes::{Access, Answer, Method, ROUTES, Route};
use super::schema::parameter;
use crate::domain::reason::Reason;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// `GET /api/openapi.json`
pub async fn document(_: Ask) -> Result<Reply, Problem> {
    Ok(Reply::json(openapi(), Seen::default()))
}

/// The OpenAPI document.
pub fn openapi() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[method(route)] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Relais",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The exam record, messages, worklists and publications of one Relais. Ids are decimal texts; lists are pages \
                with a `next` link; every refusal is application/problem+json; every read of patient data is on the audit trail.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of `relais token new`." }
            },
            "schemas": { "Problem": problem::schema() },
            "responses": {
                "problem": {
                    "description": "Refused: why, what was allowed, what to do.",
                    "content": { problem::MEDIA: { "schema": { "$ref": "#/components/schemas/Problem" } } }
                }
            }
        }
    })
}

fn method(route: &Route) -> &'static str {
    match route.method {
        Method::Get => "get",
        Method::Post => "post",
    }
}

fn operation(route: &Route) -> Value {
    let (media, content) = match route.answer {
        Answer::Json(schema) => ("application/json", json!({ "schema": schema() })),
        Answer::Media(media) => (media, json!({})),
        Answer::Events(schema) => (
            "text/event-stream",
            json!({ "schema": {
                "type": "string",
                "description": "Server-sent events; the data of each:",
                "contentMediaType": "application/json",
                "contentSchema": schema()
            } }),
        ),
    };
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "description": describe(route),
        "parameters": route.params.iter().map(parameter).collect::<Vec<_>>(),
        "responses": {
            "200": { "description": "Done.", "content": { media: content } },
            "default": { "$ref": "#/components/responses/problem" }
        },
    });
    if needed(route).is_some() {
        operation["security"] = json!([{ "token": [] }]);
    } else {
        operation["security"] = json!([]);
    }
    operation
}

fn needed(route: &Route) -> Option<Role> {
    match route.access {
        Access::Role(role) => Some(role),
        Access::Open | Access::Scrape => None,
    }
}

fn describe(route: &Route) -> String {
    let who = match route.access {
        Access::Open => "Open.".to_owned(),
        Access::Scrape => "Open while HTTP listens on loopback only, else any token.".to_owned(),
        Access::Role(role) => format!("Needs a token of role {} or higher.", role.word()),
    };
    let trail = if route.audited {
        " On the audit trail."
    } else {
        ""
    };
    format!("{who}{trail}")
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f3f5f7;padding:.75rem;overflow:auto}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccd2d8;padding:.25rem .5rem;text-align:left;vertical-align:top}\
section{border-top:2px solid #1f5f8b;margin-top:2rem}h2 code{font-size:1.1rem}.get{color:#1f5f8b}.post{color:#9a3412}nav a{display:block}";

/// `GET /api/docs`
pub async fn page(_: Ask) -> Result<Reply, Problem> {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    Ok(Reply::of(Content::Html {
        page: html(),
        policy: format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    }))
}

/// The page. Writing to a String cannot fail.
fn html() -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Relais: HTTP interface</title><style>{STYLE}</style></head><body><main><h1>Relais: HTTP interface</h1>\
         <p>Version {}. Send a token as <code>Authorization: Bearer</code>; <code>relais token new</code> makes one. Ids are decimal \
         texts; lists are pages with a <code>next</code> link; every refusal is a problem (RFC 9457) with a reason of the table at the \
         end. The same for programs: <a href=\"/api/openapi.json\">/api/openapi.json</a>.</p><nav>",
        env!("CARGO_PKG_VERSION")
    );
    for route in ROUTES {
        let _ = write!(
            page,
            "<a href=\"#{0}\">{1} {2}</a>",
            route.name,
            method(route).to_uppercase(),
            escaped(route.path)
        );
    }
    page.push_str("</nav>");
    for route in ROUTES {
        section(&mut page, route);
    }
    page.push_str(
        "<section><h2>Reasons</h2><table><tr><th>code</th><th>meaning</th><th>status</th></tr>",
    );
    for reason in Reason::ALL {
        let _ = write!(
            page,
            "<tr id=\"{0}\"><td><code>{0}</code></td><td>{1}</td><td>{2}</td></tr>",
            reason.code(),
            escaped(reason.text()),
            status_of(*reason)
        );
    }
    page.push_str("</table></section></main></body></html>\n");
    page
}

fn section(page: &mut String, route: &Route) {
    let verb = method(route);
    let _ = write!(
        page,
        "<section id=\"{}\"><h2><code><span class=\"{verb}\">{}</span> {}</code></h2><p>{} {}</p>",
        route.name,
        verb.to_uppercase(),
        escaped(route.path),
        escaped(route.summary),
        escaped(&describe(route)),
    );
    if !route.params.is_empty() {
        page.push_str("<table><tr><th>parameter</th><th>allowed</th><th>meaning</th></tr>");
        for param in route.params {
            let place = match (param.place, param.required) {
                (In::Path, _) => " (path)",
                (In::Query, true) => " (required)",
                (In::Query, false) => "",
            };
            let _ = write!(
                page,
                "<tr><td><code>{}</code>{place}</td><td>{}</td><td>{}</td></tr>",
                param.name,
                escaped(&param.allowed()),
                escaped(param.doc)
            );
        }
        page.push_str("</table>");
    }
    match route.answer {
        Answer::Json(schema) | Answer::Events(schema) => {
            let media = match route.answer {
                Answer::Events(_) => "text/event-stream, the data of each event",
                _ => "application/json",
            };
            let schema = serde_json::to_string_pretty(&schema()).unwrap_or_default();
            let _ = write!(
                page,
                "<details><summary>answer: {media}</summary><pre>{}</pre></details>",
                escaped(&schema)
            );
        }
        Answer::Media(media) => {
            let _ = write!(page, "<p>answer: <code>{media}</code></p>");
        }
    }
    page.push_str("</section>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_the_page_and_the_table_name_the_same_operations() {
        let document = openapi();
        let page = html();
        let mut names = BTreeSet::new();
        for route in ROUTES {
            assert!(names.insert(route.name), "{} twice", route.name);
            let operation = &document["paths"][route.path][method(route)];
            assert_eq!(operation["operationId"], route.name);
            assert_eq!(
                operation["parameters"].as_array().map(Vec::len),
                Some(route.params.len())
            );
            assert!(page.contains(&format!("<section id=\"{}\">", route.name)));
            let in_path = route.path.matches('{').count();
            let declared = route.params.iter().filter(|p| p.place == In::Path).count();
            assert_eq!(in_path, declared, "{}", route.path);
        }
        assert!(
            !page.contains("http://") && !page.contains("https://") && !page.contains("<script")
        );
    }

    #[test]
    fn what_holds_patient_data_needs_a_role_and_is_audited() {
        for route in ROUTES {
            if let Access::Role(_) = route.access {
                // What is in the mapping files is nobody's data.
                let of_files = route.is_read() && route.path.starts_with("/api/mapping");
                assert!(route.audited || of_files, "{}", route.name);
            } else {
                assert!(!route.audited && route.is_read(), "{}", route.name);
            }
            let corrects = matches!(route.access, Access::Role(Role::Operator | Role::Admin));
            assert!(route.is_read() || corrects, "{}", route.name);
        }
    }
}
