//! Codes of what the standards define, and of files that belong together.

use super::{Code, codes};

pub(super) const CODES: &[Code] = codes! {
    "M050" "unknown segment"
        means "The segment is neither one of HL7 v2.3.1 to 2.8.2 nor described in `segments/`. A Z segment without description is only a warning."
        why "No message will ever have it; the fields of a Z segment without description cannot be checked."
        cure "Correct the name, or describe the Z segment in `segments/zxx.toml` (`docs/reference/mapping.md` says how).";
    "M051" "no such field"
        means "The segment has fewer fields in every version of HL7 v2."
        why "Most often the number is one off."
        cure "Count again: MSH-1 is the separator itself; the message says how many fields there are.";
    "M052" "no such component"
        means "The data type of the field has fewer components in every version of HL7 v2."
        why "Nothing can stand there; most often a component was taken for a subcomponent."
        cure "Take a component of the type that the message names; the fourth of CX, for one, has subcomponents: `PID-3.4.2`.";
    "M053" "note without owner"
        means "NTE or PRT stands alone."
        why "They belong to the segment before them: alone, a note of the patient could become one of the order."
        cure "Say whose: `PID/NTE-3`, `OBR/NTE-3`, `OBX/NTE-3`.";
    "M060" "unknown DICOM keyword"
        means "PS3.6 has no attribute of this keyword."
        why "No data set can carry it."
        cure "Write the keyword as the standard does, without blanks: `ScheduledStationAETitle`.";
    "M061" "attribute at the wrong level"
        means "The attribute stands at another level of the data set, or the service does not define it."
        why "A scanner looks for it where the standard has it, and nowhere else."
        cure "Put it under the sequence that the message names.";
    "M062" "unknown target"
        means "The resource has no element of this name that a file may fill."
        why "The line would fill nothing; indexes, references and datatypes are built by Relais."
        cure "Take a target of `docs/reference/mapping.md`.";
    "M063" "required target without rule"
        means "No line fills an element that the standard requires."
        why "Every resource would be held back as invalid."
        cure "Give the element a rule.";
    "M064" "code outside its list"
        means "A constant, or a cell of the table, is not in the closed list that the target takes."
        why "The value would be refused when the first message brings that code."
        cure "Correct the cell or the constant to one of the allowed words, or take another `column:`.";
    "M065" "query key with functions"
        means "A key by which scanners query has a rule that changes the value."
        why "The database narrows by the record's value: a changed one would not be found."
        cure "Write a bare name of the record here, and change the value where it comes in.";
    "M070" "two files for one sender"
        means "Two files take the same message, neither is the other's base, and neither says by `when` which messages are its own."
        why "A link that reads both refuses every such message, because nobody can say which file is meant. A warning as long as the links are not known: `relais check` knows them."
        cure "Give each file a `when` under `[from]` (`when = 'MSH-3 == \"RISX\"'`), make one the `base` of the other, or name the file of each link in its `inbound` list.";
    "M080" "case without file"
        means "A case stands beside a mapping file that is not there."
        why "It proves nothing and will mislead the next reader."
        cure "Move the case to the file it proves, or remove it.";
    "M081" "case that fails"
        means "A case gives another result than its `want.toml` says, or cannot be run."
        why "Something that was proven no longer holds."
        cure "`relais mapping test` shows the difference; if the new result is right, `--bless` writes it: read it afterwards.";
    "M082" "case for a rule that is gone"
        means "A case wants a value for which its file has no rule, neither of its own nor of its base."
        why "It can only fail; most often a line was removed or a target renamed."
        cure "Give the target a rule again, or take the line out of `want.toml` (`relais mapping test --bless` does).";
};
