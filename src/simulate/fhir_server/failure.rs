//! How the endpoint fails when it is told to.

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How the next requests fail; each is used up by one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Answers with a status, and Retry-After in seconds; nothing takes effect.
    Status(u16, Option<u32>),
    /// Never answers; nothing takes effect.
    Hang,
    /// Takes effect, then closes the connection in the middle of the answer.
    Cut,
}

/// A body that promises more than it gives: the connection closes in the middle.
pub struct CutBody {
    /// Bytes promised.
    pub size: u64,
    /// Bytes given.
    pub half: Option<Bytes>,
}

impl MessageBody for CutBody {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(match self.half.take() {
            Some(half) => Ok(half),
            None => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }))
    }
}
