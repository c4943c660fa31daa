//! `relais mapping status` and `reload`: asked of the running engine over its HTTP interface.

use super::super::{block_on, load_config};
use super::{FAILED, OK, UNREADABLE};
use crate::fhir::client::install_provider;
use serde_json::Value;
use std::io::{self, Read as _, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for an answer: a reload compiles and runs every case.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const LARGEST: usize = 16 << 20;

/// Which engine is asked, and by whom.
#[derive(Debug, clap::Args)]
pub struct Remote {
    /// The configuration of the engine: its `[http] listen` is called.
    #[arg(long, default_value = "relais.toml")]
    config: PathBuf,
    /// File with a token (`relais token new`), `-` for standard input: viewer for status, admin for reload.
    #[arg(long)]
    token_file: PathBuf,
    /// Address of the engine if it is not that of the configuration: `https://relais.example.org`.
    #[arg(long)]
    url: Option<String>,
}

/// Prints what is in force; exit code 1 if the files on disk are refused.
///
/// # Errors
/// The output cannot be written.
pub fn status(remote: &Remote, out: &mut dyn Write) -> io::Result<u8> {
    match ask(remote, "GET", "/api/mapping/status") {
        Ok(status) => tell(&status, out),
        Err(failed) => failed.tell(out),
    }
}

/// Has the files read now, and prints what came of it.
///
/// # Errors
/// The output cannot be written.
pub fn reload(remote: &Remote, out: &mut dyn Write) -> io::Result<u8> {
    match ask(remote, "POST", "/api/mapping/reload") {
        Ok(answer) => {
            let outcome = answer["outcome"].as_str().unwrap_or_default();
            writeln!(out, "{outcome}")?;
            tell(&answer["status"], out)
        }
        Err(failed) => failed.tell(out),
    }
}

fn tell(status: &Value, out: &mut dyn Write) -> io::Result<u8> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    writeln!(
        out,
        "revision {} is in force since {}, {} files",
        text(&status["revision"]),
        text(&status["since"]),
        status["files"]
    )?;
    let refused = &status["refused"];
    if refused.is_null() {
        return Ok(OK);
    }
    writeln!(
        out,
        "the files on disk are refused since {}:\n{}",
        text(&refused["at"]),
        text(&refused["text"])
    )?;
    Ok(FAILED)
}

/// Why there is no answer, with the exit code.
struct Failed(u8, String);

impl Failed {
    fn tell(self, out: &mut dyn Write) -> io::Result<u8> {
        writeln!(out, "error: {}", self.1)?;
        Ok(self.0)
    }
}

fn ask(remote: &Remote, method: &str, path: &str) -> Result<Value, Failed> {
    let base = match &remote.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let config = load_config(&remote.config)
                .map_err(|_| Failed(UNREADABLE, "no address to call".to_owned()))?;
            format!("http://{}", callable(config.http.listen))
        }
    };
    let token = token(&remote.token_file)
        .map_err(|e| Failed(UNREADABLE, format!("the token cannot be read: {e}")))?;
    let answer = block_on(call(method, &format!("{base}{path}"), &token));
    let (status, body) = answer.map_err(|why| Failed(FAILED, format!("{base}: {why}")))?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| Failed(FAILED, format!("{base} answered {status} and no JSON")))?;
    if status == 200 {
        return Ok(body);
    }
    let said = |key: &str| {
        body[key]
            .as_str()
            .map_or(String::new(), |t| format!(": {t}"))
    };
    let why = format!(
        "{base} answered {status}{}{}{}",
        said("detail"),
        said("allowed"),
        said("hint")
    );
    Err(Failed(FAILED, why))
}

/// Where an address that listens everywhere is called.
fn callable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn token(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().take(4096).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?
            .take(4096)
            .read_to_string(&mut text)?;
    }
    Ok(text.trim().to_owned())
}

/// One request: status and body, or why there was no answer.
async fn call(method: &str, url: &str, token: &str) -> Result<(u16, Vec<u8>), String> {
    install_provider();
    let reason = |e: reqwest::Error| e.without_url().to_string();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(reason)?;
    let method = method.parse().map_err(|_| "no such method".to_owned())?;
    let request = client.request(method, url).bearer_auth(token);
    let mut answer = request.send().await.map_err(|e| {
        let what = if e.is_connect() {
            "nothing answers there: is `relais serve` running? "
        } else {
            ""
        };
        format!("{what}{}", reason(e))
    })?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(reason)? {
        if body.len() + piece.len() > LARGEST {
            return Err("the answer is too large".to_owned());
        }
        body.extend_from_slice(&piece);
    }
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_listens_everywhere_is_called_on_loopback() {
        let check = |listen: &str, called: &str| {
            assert_eq!(callable(listen.parse().unwrap()).to_string(), called);
        };
        check("0.0.0.0:8080", "127.0.0.1:8080");
        check("[::]:8080", "[::1]:8080");
        check("10.0.0.4:80", "10.0.0.4:80");
    }
}
