//! A walk through the gates of [`super::gates`]: who walks quietly learns whether all are open, who is told everything gets a line for
//! each, with what would open the closed ones.

/// The gate of a file's own condition.
pub const WHEN: &str = "when";

/// One gate and what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `status`, `days`, `station` ..., or the keyword of a matching key.
    pub gate: &'static str,
    pub open: bool,
    /// What was found and what was wanted. Without patient data.
    pub why: String,
    /// Values of the query and the item where they may be patient data.
    pub values: Option<String>,
}

impl Line {
    /// What would open a closed gate.
    pub fn cure(&self) -> Option<&'static str> {
        (!self.open).then(|| cure(self.gate))
    }
}

/// What would open a gate.
fn cure(gate: &str) -> &'static str {
    match gate {
        "status" => {
            "only a new step brings a finished one back; one that was begun: [shows] statuses with STARTED in the device's file"
        }
        "held" => "the RIS releases the order (ORC-1 RL)",
        "complete" => "the RIS sends what is missing, or a mapping line says where it stands",
        "days" => "[shows] days in the device's file",
        "station" => {
            "the station in the order, [shows] stations or modality in the device's file, or Modality in the query"
        }
        "when" => "[shows] when in the device's file",
        "item" => "the named value: in the order, or by another rule in the device's file",
        "repertoire" => "[speaks] unencodable = \"transliterate\", or a larger charset",
        "limit" => "a narrower query, or [dicom] max_results",
        _ => "a query without this key, or with the item's value; or the value in the order",
    }
}

/// A walk through the gates.
#[derive(Debug)]
pub struct Walk {
    lines: Option<Vec<Line>>,
    open: bool,
    /// The first that was closed.
    closed: Option<&'static str>,
}

impl Walk {
    /// Stops at the first closed gate.
    pub fn quiet() -> Self {
        Self {
            lines: None,
            open: true,
            closed: None,
        }
    }

    /// Goes through all gates and notes each.
    pub fn telling() -> Self {
        Self {
            lines: Some(vec![]),
            open: true,
            closed: None,
        }
    }

    /// True as long as no gate was closed.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// True if it stops at the first closed gate.
    pub(super) fn is_quiet(&self) -> bool {
        self.lines.is_none()
    }

    /// The first gate that was closed.
    pub fn closed(&self) -> Option<&'static str> {
        self.closed
    }

    /// What was noted.
    pub fn lines(self) -> Vec<Line> {
        self.lines.unwrap_or_default()
    }

    /// Passes a gate; true = the walk ends here. `say` gives the reason and values that may be patient data.
    pub(super) fn ends(
        &mut self,
        gate: &'static str,
        open: bool,
        say: impl FnOnce() -> (String, Option<String>),
    ) -> bool {
        if !open {
            self.open = false;
            self.closed = self.closed.or(Some(gate));
        }
        let Some(lines) = &mut self.lines else {
            return !open;
        };
        let (why, values) = say();
        lines.push(Line {
            gate,
            open,
            why,
            values,
        });
        false
    }
}
