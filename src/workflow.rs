//! The one door for state: queue, batch, decide, one commit, reply.
