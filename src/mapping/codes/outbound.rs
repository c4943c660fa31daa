//! Codes of outbound files and of profile packs.

use super::{Code, codes};

pub(super) const CODES: &[Code] = codes! {
    "M090" "no constant"
        means "An entry of `[const]` is none of the things that a constant can be, or names an endpoint that is no row of `tables/endpoints.csv`."
        why "Every rule that takes it would give nothing, or refer to what nobody has."
        cure "Write a text, `{ code, system, display }`, `{ identifier, issuer }`, `{ text }`, or `{ endpoint }` with the name of a row.";
    "M091" "more than three bases"
        means "The file stands on a chain of more than three others."
        why "Deeper, nobody finds the line that counts."
        cure "Put two files of the chain together, or base this one on a base of its base.";
    "M092" "profile pack"
        means "A pack is named that is not there, or a file of `profiles/` asks for what packs cannot ask for."
        why "A resource would claim a profile and not keep it, or the lines of the pack would do nothing."
        cure "Name a pack that is listed; what a pack may ask for stands in `docs/mapping/outbound.md`.";
    "M093" "nothing can be added here"
        means "The container cannot repeat everywhere in FHIR, or this resource does not have it."
        why "An addition must never make a valid resource invalid."
        cure "Take one of the containers that are listed; inside a section, `extension` alone.";
    "M094" "extension or address"
        means "The url of an extension or profile is no absolute address, the extension has no value or two, or a pack has it as its own target."
        why "Receivers know extensions by their url and read one value; one that a pack also writes would stand there twice."
        cure "Write `url` as its definition says it, and one value whose key names its type: `valueString = '...'`; what a pack has stands under `[profile.NAME]`.";
    "M095" "code that a profile does not allow"
        means "A table may give a code that FHIR allows and a profile pack does not."
        why "For a target that uses the pack, every resource with this code would be held."
        cure "Add a column `NAME.PACK` to the table (`fhir.fr-core`) with the codes for that pack.";
};
