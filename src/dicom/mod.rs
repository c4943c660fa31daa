//! DICOM: bounded data set reader and writer, DIMSE messages, associations over dicom-ul.
//!
//! Pure codecs ([`dictionary`], [`dataset`], [`charset`], [`read`], [`write`](mod@write)) below; sockets
//! ([`association`], [`scp`], [`scu`]) above them. What the services mean is not known here: a [`scp::Services`] is given.

pub mod association;
pub mod charset;
pub mod dataset;
pub mod datatype;
pub mod dictionary;
pub mod dimse;
pub mod mpps_rules;
pub mod mpps_scp;
pub mod pdata;
pub mod query_journal;
pub mod read;
pub mod scp;
pub mod scu;
pub mod worklist_scp;
pub mod write;
