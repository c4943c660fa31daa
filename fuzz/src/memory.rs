//! How much memory this process took, from `/proc/self/status`.
//!
//! The address space tells of what was asked for and never touched: a buffer as long as a peer claims is seen even if it stays empty.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads the peaks again and again.
#[derive(Debug)]
pub struct Memory {
    status: File,
    start: u64,
}

impl Memory {
    /// More than this beyond what was there at the start is out of proportion: inputs have 64 KiB.
    pub const LIMIT_KIB: u64 = 256 << 10;

    /// Opens the file.
    pub fn new() -> std::io::Result<Self> {
        let mut memory = Self {
            status: File::open("/proc/self/status")?,
            start: 0,
        };
        memory.start = memory.peak("VmPeak:");
        Ok(memory)
    }

    /// How much the address space has grown at most since the start, in KiB.
    pub fn grown(&self) -> u64 {
        self.peak("VmPeak:").saturating_sub(self.start)
    }

    /// The most memory that was resident, in KiB.
    pub fn resident(&self) -> u64 {
        self.peak("VmHWM:")
    }

    fn peak(&self, name: &str) -> u64 {
        let mut text = [0; 1024];
        let length = self.status.read_at(&mut text, 0).unwrap_or(0);
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }
}
