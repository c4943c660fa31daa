//! Every diagnostic of mapping files, once: code, title, what to do. The reference page prints it.

/// Code, title, help.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "M001",
        "not TOML",
        "The file cannot be read as TOML; the message names the first thing that does not fit. A text that contains ' stands between ''' and '''.",
    ),
    (
        "M002",
        "unknown key",
        "The key does not exist in this place; a misspelled key would otherwise be a rule that never fires.",
    ),
    (
        "M003",
        "value of the wrong type",
        "The label says what is allowed.",
    ),
    ("M004", "missing key", "The key must be there."),
    (
        "M005",
        "rule not in single quotes",
        "Rules stand in '...': in \"...\" TOML itself would change backslashes, and columns in messages would be wrong.",
    ),
    (
        "M006",
        "not a rule",
        "A rule is a text in single quotes, or a list of them. A constant is a text inside the text: '\"ROUTINE\"'.",
    ),
    (
        "M007",
        "unknown base",
        "`base` names a file of the same directory without .toml, in this layer or one below.",
    ),
    ("M008", "circle of bases", "Files are each other's base."),
    (
        "M009",
        "kind of file unknown",
        "[from] kind is hl7v2 or dicom.mpps; [to] kind is dicom.mwl; [to] resource is one of the shapes.",
    ),
    (
        "M010",
        "grammar",
        "The rule cannot be read; docs/reference/mapping.md has the grammar on one page.",
    ),
    (
        "M011",
        "pipe and ?? mixed",
        "A pipe takes everything to its left, `??` included. Write (a | f) ?? b, or attempts: ['a | f', 'b'].",
    ),
    (
        "M012",
        "rule too large",
        "At most 200 tokens and 16 levels: codes belong into a table.",
    ),
    (
        "M013",
        "not a name",
        "Capital letters are HL7 paths or DICOM keywords, small ones are names of the record, texts stand in double quotes inside the rule.",
    ),
    (
        "M014",
        "bad pattern",
        "`matches` takes a regular expression without look-around or back references; it must match the whole value.",
    ),
    (
        "M020",
        "unknown function",
        "The list of functions is closed; a table does what a function cannot.",
    ),
    (
        "M021",
        "function used without or with a pipe",
        "Most functions work on a piped value; concat, datetime and identifier take arguments.",
    ),
    (
        "M022",
        "number of arguments",
        "The label says how many the function takes.",
    ),
    (
        "M023",
        "argument not allowed",
        "The argument must be a constant, or one of the listed words.",
    ),
    (
        "M024",
        "unknown named argument",
        "The label lists those that the function has.",
    ),
    (
        "M025",
        "table without else",
        "Every lookup says what a miss does: else: refuse, warn (absent, with a warning), keep (the code as it is, with a warning), none (absent) or a constant.",
    ),
    (
        "M026",
        "unknown table",
        "Tables are files of tables/, named without .csv.",
    ),
    (
        "M027",
        "unknown column",
        "The label lists the columns of the table.",
    ),
    (
        "M028",
        "number of keys",
        "A lookup gives one value for each key: column of the table; a piped value is the first.",
    ),
    (
        "M030",
        "table unreadable",
        "A table is CSV with a header line whose key columns are named key:NAME, at most 8 MiB.",
    ),
    (
        "M031",
        "torn row",
        "The row has more cells than the header; a cell with the separator in it stands in double quotes.",
    ),
    (
        "M032",
        "same keys twice",
        "Two rows would answer the same question.",
    ),
    (
        "M033",
        "not UTF-8",
        "Save the file as UTF-8 (Excel: \"CSV UTF-8\").",
    ),
    (
        "M040",
        "unknown field",
        "`relais mapping reference` lists the fields of each section; [extra] takes any name.",
    ),
    (
        "M041",
        "unknown section",
        "`relais mapping reference` lists the sections.",
    ),
    (
        "M042",
        "unknown name",
        "The name is not in the scope of this file.",
    ),
    (
        "M043",
        "circle of names",
        "Two rules need each other's value.",
    ),
    (
        "M044",
        "kinds do not fit",
        "The rule gives another kind of value than the target takes.",
    ),
    (
        "M045",
        "list into a single value",
        "Say which one: | first, | join(\"..\") or | earliest.",
    ),
    (
        "M050",
        "unknown segment",
        "The segment is neither in HL7 v2.3.1 to 2.8.2 nor in segments/*.toml.",
    ),
    (
        "M051",
        "no such field",
        "The segment has fewer fields in every version.",
    ),
    (
        "M052",
        "no such component",
        "The data type has fewer components in every version.",
    ),
    (
        "M053",
        "note without owner",
        "NTE and PRT belong to the segment before them: PID/NTE-3, OBR/NTE-3, OBX/NTE-3.",
    ),
    (
        "M060",
        "unknown DICOM keyword",
        "Keywords are those of PS3.6.",
    ),
    (
        "M061",
        "attribute at the wrong level",
        "The attribute belongs to another level of the data set.",
    ),
    (
        "M062",
        "unknown target",
        "The shape has no such element; `relais mapping reference` lists its targets.",
    ),
    (
        "M063",
        "required target without rule",
        "The standard requires the element: give it a rule.",
    ),
    (
        "M064",
        "code outside its value set",
        "FHIR binds the element to a closed list; a cell of the table is not in it.",
    ),
    (
        "M065",
        "query key with functions",
        "Scanners query by this attribute, and the database narrows by the record's value: in the default file its rule is a bare name.",
    ),
    (
        "M070",
        "selection",
        "The files of a link must not claim the same message.",
    ),
    (
        "M080",
        "case",
        "A case is a directory beside its file: NAME.cases/CASE/ with its input and want.toml.",
    ),
    (
        "M110",
        "attribute that the worklist does not define",
        "Neither PS3.4 Table K.6-1 nor the modules that it takes whole have the attribute; it is sent to a scanner that asks for it.",
    ),
    (
        "M111",
        "limit of nothing",
        "[limits] names an attribute that a line of the file or its bases shows, at its place: \"ScheduledProcedureStepSequence.ScheduledProcedureStepDescription\" = 24. Limits are for names, texts and identifiers.",
    ),
    (
        "M112",
        "limit without effect",
        "The standard's own limit is smaller.",
    ),
    (
        "M113",
        "unknown character set",
        "The label lists the defined terms that can be written.",
    ),
    (
        "M114",
        "unencodable without charset",
        "Only a repertoire that the device demands can lack a character.",
    ),
    (
        "M115",
        "two files for one device",
        "A device has one file, whatever the order of files: the matches of two files may not take the same AE title from the same address.",
    ),
    (
        "M116",
        "match names no device",
        "match = { calling_ae = [\"CT2\"], address = [\"10.1.4.12\"] }: any of the titles and any of the addresses; a list that is not there takes all.",
    ),
    (
        "M117",
        "too many bases",
        "At most three: worklist/default, a vendor's model, the device. Deeper, nobody finds the line that counts.",
    ),
    (
        "M118",
        "device file in the wrong place",
        "What is for one device stands in devices/, with base = \"worklist/default\" or another file of devices/.",
    ),
    (
        "M119",
        "station that chooses no longer",
        "Matching runs on the item as the device sees it: where every item shows the same station, a query for it finds them all. [shows] stations says whose steps are meant.",
    ),
    (
        "M120",
        "required attribute without rule",
        "Type 1 of PS3.4 Table K.6-1: without it no item goes out at all.",
    ),
    (
        "M121",
        "unknown status",
        "A step is on a list while it is SCHEDULED, ARRIVED, READY or STARTED; as shipped, STARTED is not shown.",
    ),
];

/// Title of a code.
pub fn title(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(c, ..)| *c == code).map(|(_, t, _)| *t)
}
