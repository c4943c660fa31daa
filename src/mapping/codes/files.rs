//! Codes of files: TOML, keys, bases, tables, selection, cases.

use super::{Code, codes};

pub(super) const CODES: &[Code] = codes! {
    "M001" "not TOML, or not readable"
        means "The file cannot be read as TOML, or not be read at all."
        why "What stands after the place cannot be told apart from what stands before it, so a rule might be lost."
        cure "Mend the underlined place. A text that contains `'` stands between `'''` and `'''`, and `{ ... }` stands on one line.";
    "M002" "unknown key"
        means "The key does not exist in this place."
        why "A misspelled key would be a setting that never acts."
        cure "Take one of the keys that are listed as allowed.";
    "M003" "value of the wrong type"
        means "The value is not of the type that the key takes."
        why "A number read as a text, or a text as a list, is not what the author meant."
        cure "Write what is listed as allowed.";
    "M004" "missing key"
        means "A key that must be there is not."
        why "Nothing is guessed: the format, for one, says how all other lines are read."
        cure "Add the key.";
    "M005" "rule not in single quotes"
        means "A rule stands in double quotes."
        why "In double quotes TOML itself changes backslashes before Relais sees them, and columns in messages would be wrong."
        cure "Write the rule in single quotes: `'PID-3 | join(\"\\n\")'`.";
    "M006" "not a rule"
        means "A number, a boolean, a date or a table stands where a rule is expected."
        why "A rule says where a value comes from; a constant is a rule too, and says so by its inner quotes."
        cure "Write a constant as a text inside the text: `'\"12\"'`.";
    "M007" "unknown base"
        means "`base` names a file that is not there."
        why "Without its base the file would have no rules but its own."
        cure "Name a file of the same directory, without `.toml`, of this layer or one below; a file of the same name is the one of the layer below.";
    "M008" "circle of bases"
        means "Files are each other's base, or more than 16 stand one upon the other."
        why "Neither can be read before the other."
        cure "Take the `base` line out of one of them.";
    "M009" "kind of file unknown"
        means "It is not said what the file maps, or what is said does not exist."
        why "The kind decides what its paths read and which targets there are."
        cure "Write `kind` under `[from]` (`hl7v2`, `dicom.mpps`) or `[to]` (`dicom.mwl`), or `resource` under `[to]`; a file with a base has the kind of its base.";
    "M010" "not the grammar of a rule"
        means "The rule cannot be read."
        why "A rule that is half understood would give half a value."
        cure "See the message for what is expected; `docs/reference/mapping.md` has the grammar on one page.";
    "M011" "`??` after a pipe"
        means "`a | f ?? b` is not allowed."
        why "A pipe takes everything to its left, `??` included; readers expect either of two meanings."
        cure "Write `(a | f) ?? b`, or the two as attempts: `['a | f', 'b']`.";
    "M012" "rule too large"
        means "The rule has more than 200 tokens or is nested deeper than 16 levels, or a target has more than 64 rules."
        why "It is a program in disguise that nobody will be able to read."
        cure "Move codes into a table under `tables/`.";
    "M013" "not a name"
        means "A word in capital letters is neither an HL7 path nor a DICOM keyword."
        why "Most often it is a constant whose inner quotes were forgotten."
        cure "Write a constant text as `'\"ROUTINE\"'`; HL7 paths are written `PID-3`, names of the record in small letters.";
    "M014" "bad pattern"
        means "What `matches` is given is no regular expression that can be run in linear time."
        why "A pattern that cannot be compiled matches nothing."
        cure "Mend the pattern: it must match the whole value, and has no look-around and no back references.";
    "M015" "written twice"
        means "The same key or target is written more than once in a file."
        why "Only one of the two lines could act, and which one would be an accident of their order."
        cure "Keep one of the lines. Attempts in order are one list: `['first', 'second']`; only a list section may be repeated, as `[[section]]`.";
    "M016" "line in the wrong table"
        means "The line stands after a `[header]` and therefore belongs to that table, not to the file's root."
        why "TOML has no way back to the root: the line would silently mean something else."
        cure "Move it above the first `[header]`, or under the header that it names.";
};
