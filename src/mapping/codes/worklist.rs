//! Codes of worklist and device files.

use super::{Code, codes};

pub(super) const CODES: &[Code] = codes! {
    "M110" "attribute that the worklist does not define"
        means "Neither PS3.4 Table K.6-1 nor the modules that it takes whole have the attribute."
        why "Only a scanner that asks for it by name will see it."
        cure "Take the line out, unless this scanner asks for the attribute.";
    "M111" "limit of nothing"
        means "`[limits]` names an attribute that no line of the file or its bases shows at this place, or one whose length cannot be limited."
        why "The limit would never apply."
        cure "Write the attribute at its place, `\"ScheduledProcedureStepSequence.ScheduledProcedureStepDescription\" = 24`; limits are for names, texts and identifiers.";
    "M112" "limit without effect"
        means "The standard's own limit is smaller."
        why "The line promises what it does not do."
        cure "Write a smaller number, or take the line out.";
    "M113" "unknown character set"
        means "The word is no defined term of Specific Character Set that Relais can write."
        why "The scanner would be sent what it cannot read."
        cure "Take one of the terms that are listed.";
    "M114" "unencodable without charset"
        means "`unencodable` stands without `charset`."
        why "Without a repertoire that the scanner demands no character is missing from it."
        cure "Add `charset` under `[speaks]`, or take the line out.";
    "M115" "two files for one device"
        means "The matches of two files take the same AE title from the same address."
        why "What a scanner is told must not depend on the order of files."
        cure "Make the titles or the addresses of the two files differ.";
    "M116" "match that names no device"
        means "A title or an address of `match` cannot be that of a device, or there is none."
        why "The file would serve nobody, or everybody."
        cure "Write `match = { calling_ae = [\"CT2\"], address = [\"10.1.4.12\"] }`: any of the titles from any of the addresses; a list that is not there takes all.";
    "M117" "too many bases"
        means "A device file stands on more than a vendor's model and the default."
        why "Deeper, nobody finds the line that counts."
        cure "Base the file on the default, or on a model that is based on it.";
    "M118" "device file in the wrong place"
        means "What is for one device stands outside `devices/`, or a file of `devices/` is based on something else than a worklist file."
        why "Only files of `devices/` are for one device; all others are for everybody."
        cure "Move it to `devices/`, with `base = \"worklist/default\"` or another file of `devices/`.";
    "M119" "station that chooses no longer"
        means "Every item shows the same station to this device."
        why "Matching runs on the item as the device sees it: a query for that station finds the steps of all others too."
        cure "Say under `[shows]` whose steps are meant: `stations = [\"CT2\", \"CTPOOL\"]`.";
    "M120" "required attribute without rule"
        means "A return key of type 1 (PS3.4 Table K.6-1) is filled by no line."
        why "Without it no item goes out at all."
        cure "Give the attribute a rule.";
    "M121" "unknown status"
        means "A status of `[shows]` is none of a step on a list."
        why "Steps that are over are on no list."
        cure "Take SCHEDULED, ARRIVED, READY or STARTED; as shipped, STARTED is not shown.";
};
