//! Health, readiness and metrics.

use super::gate::{Ask, Content, Reply};
use super::problem::Problem;
use crate::domain::reason::{Reason, Refusal};

/// `GET /health/live`
pub async fn live(_: Ask) -> Result<Reply, Problem> {
    Ok(text("text/plain; charset=utf-8", "live\n".to_owned()))
}

/// `GET /health/ready`
pub async fn ready(ask: Ask) -> Result<Reply, Problem> {
    match (ask.state.ready)().await {
        Ok(notice) => {
            let notice = notice.map_or(String::new(), |n| format!("{n}\n"));
            Ok(text(
                "text/plain; charset=utf-8",
                format!("ready\n{notice}"),
            ))
        }
        Err(why) => Err(Refusal::new(Reason::StorageAway, why).into()),
    }
}

/// `GET /metrics`
pub async fn metrics(ask: Ask) -> Result<Reply, Problem> {
    ask.state.metrics.run_upkeep();
    Ok(text(
        "text/plain; version=0.0.4",
        ask.state.metrics.render(),
    ))
}

fn text(media: &'static str, text: String) -> Reply {
    Reply::of(Content::Text(media, text))
}
