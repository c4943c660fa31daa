//! Codes of rules: functions, tables, targets, names.

use super::{Code, codes};

pub(super) const CODES: &[Code] = codes! {
    "M020" "unknown function"
        means "There is no function of this name."
        why "The list of functions is closed, so that every rule can be checked and explained."
        cure "Take a function of `docs/reference/mapping.md`; what none of them does, a table may.";
    "M021" "function with or without a pipe"
        means "The function is used without a value, or with one that it does not take."
        why "It would have nothing to work on, or ignore what it is given."
        cure "Most functions work on a piped value: `PID-8 | upper`; concat, datetime and identifier take arguments only.";
    "M022" "number of arguments"
        means "The function takes more or fewer arguments."
        why "A forgotten argument changes what the function does."
        cure "Give as many as the message says.";
    "M023" "argument not allowed"
        means "The argument is no constant, or none of the words that the function knows."
        why "Only constants can be checked before the first message."
        cure "Write a constant text in double quotes, one of the listed words.";
    "M024" "unknown named argument"
        means "The function has no argument of this name."
        why "It would be ignored."
        cure "Take one of the names that the function has.";
    "M025" "lookup without else"
        means "It is not said what happens to a code that the table does not have."
        why "Sites send codes that no table knows; to refuse, to warn and to keep quiet are all right somewhere, and never by accident."
        cure "Add `else: refuse`, `else: warn` (absent, with a warning), `else: keep` (the code as it is, with a warning), `else: none` (absent) or `else: \"constant\"`.";
    "M026" "unknown table"
        means "There is no table of this name."
        why "Every lookup would miss."
        cure "Tables are files of `tables/`, named without `.csv`.";
    "M027" "unknown column"
        means "The table has no result column of this name."
        why "Every lookup would give nothing."
        cure "Take one of the listed columns; without `column:` the first one answers.";
    "M028" "number of keys"
        means "The lookup gives more or fewer values than the table has key columns."
        why "No row could ever fit."
        cure "Give one value for each `key:` column; a piped value is the first.";
    "M029" "bad date format"
        means "The pattern of `date` has letters that mean nothing, or the same part twice, or no year."
        why "No date would ever be read by it."
        cure "Build it from YYYY, MM, DD, HH, mm and ss, with the signs that stand between them: `date(\"DD/MM/YYYY HH:mm\")`.";
    "M030" "table unreadable"
        means "The table has no header line, no key column, or is too large."
        why "Nothing could be looked up in it."
        cure "Write a header line whose key columns are named `key:NAME`; a table has at most 8 MiB and 200000 rows.";
    "M031" "torn row"
        means "The row has more cells than the header."
        why "Its cells would stand under the wrong columns."
        cure "Put a cell that contains the separator between double quotes.";
    "M032" "same keys twice"
        means "Two rows of a table have the same keys."
        why "Both answer the same question, perhaps differently."
        cure "Keep one of the rows.";
    "M033" "not UTF-8"
        means "The file is in another character set, most often Latin-1."
        why "Accents would be read as other characters and codes would not be found."
        cure "Save the file as UTF-8 (Excel: \"CSV UTF-8\").";
    "M040" "unknown field"
        means "The section or the value has no field of this name."
        why "The line would fill nothing."
        cure "Take a field of `docs/reference/mapping.md`; what the record does not know stands under `[extra]`.";
    "M041" "unknown section"
        means "Files of this kind have no section of this name."
        why "All its lines would be ignored."
        cure "Take one of the listed sections.";
    "M042" "unknown name"
        means "The name is not in the scope of this file."
        why "It could never have a value."
        cure "Take one of the listed names; a constant text stands in double quotes inside the rule.";
    "M043" "circle of names"
        means "Two rules need each other's value."
        why "Neither can be known before the other."
        cure "Let one of them read the message.";
    "M044" "kinds do not fit"
        means "The rule gives another kind of value than the target takes."
        why "Every value would be refused when messages come."
        cure "Name a path of the right type, or a part of it, or convert: `| text`, `| number`, `| as(\"EI\")`.";
    "M045" "list into a single value"
        means "The rule gives several values, the target takes one."
        why "Which of them would be an accident."
        cure "Say which one: `| first`, `| join(\"..\")` or `| earliest`.";
    "M046" "identifier cut"
        means "`cut` would shorten an identifier or a UID."
        why "A shortened identifier is the identifier of something else, perhaps of another patient."
        cure "Take `cut` away: an identifier that is too long is refused with its place, or left out by `skip_longer`.";
    "M047" "never reached"
        means "An earlier part of the rule always has a value, or is the same."
        why "The part does nothing; most often the order is wrong."
        cure "Put the constant last, or take away what is never reached.";
    "M048" "`!=` is true of what is absent"
        means "The comparison also holds where nothing was sent."
        why "`PID-5[.7 != \"L\"]` takes a name without type as well."
        cure "Say which values are meant: `PID-5[.7 in (\"D\", \"A\")]`; or that the part must be there: `PID-5[.7 and .7 != \"L\"]`.";
};
