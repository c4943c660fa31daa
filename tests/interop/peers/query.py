"""Asks worklist queries as a scanner does (pynetdicom): one JSON object per line in, one out, in order.

In: {"query": {keyword or "GGGGEEEE": value}, ...}; a value is a text, or a list of objects for a sequence. Options of a query:
"aet", "called", "syntax" ("implicit", "explicit"), "max_pdu", "cancel_after" (C-CANCEL after so many matches), "charset".
Queries with equal association options share one association, which is released at the end.
Out: {"status", "pending", "comment", "offending", "items"}; attributes of items by keyword, in the order received.
"""
import json
import sys

from pydicom.dataset import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind, Verification

SYNTAXES = {"implicit": [ImplicitVRLittleEndian], "explicit": [ExplicitVRLittleEndian]}


def data_set(keys):
    ds = Dataset()
    for name, value in keys.items():
        if isinstance(value, list):
            value = [data_set(item) for item in value]
        if len(name) == 8 and all(c in "0123456789abcdefABCDEF" for c in name):
            tag = Tag(name)
            ds.add_new(tag, "LO" if tag.is_private else dictionary_VR(tag), value)
        elif isinstance(value, str) and dictionary_VR(name) == "US":
            setattr(ds, name, int(value) if value else None)
        else:
            setattr(ds, name, value)
    return ds


def plain(ds):
    found = {}
    for element in ds:
        name = keyword_for_tag(element.tag) or f"{element.tag.group:04X}{element.tag.element:04X}"
        if element.VR == "SQ":
            found[name] = [plain(item) for item in element.value]
        elif element.VM > 1:
            found[name] = "\\".join(str(v) for v in element.value)
        else:
            found[name] = "" if element.value is None else str(element.value)
    return found


def ask(association, message_id, asked):
    query = data_set(asked["query"])
    if asked.get("charset"):
        query.SpecificCharacterSet = asked["charset"]
    answer = {"status": "", "pending": [], "comment": "", "offending": [], "items": []}
    responses = association.send_c_find(query, ModalityWorklistInformationFind, msg_id=message_id)
    for status, item in responses:
        assert status, "no answer"
        if item is None:
            answer["status"] = f"{status.Status:04X}"
            answer["comment"] = status.get("ErrorComment", "")
            offending = status.get("OffendingElement", [])
            offending = offending if isinstance(offending, (list, tuple)) or hasattr(offending, "append") else [offending]
            answer["offending"] = [keyword_for_tag(tag) for tag in offending]
            continue
        answer["pending"].append(f"{status.Status:04X}")
        answer["items"].append(plain(item))
        if len(answer["items"]) == asked.get("cancel_after"):
            association.send_c_cancel(message_id, query_model=ModalityWorklistInformationFind)
    answer["pending"] = sorted(set(answer["pending"]))
    return answer


port = int(sys.argv[1])
associations = {}
for number, line in enumerate(sys.stdin):
    asked = json.loads(line)
    options = (asked.get("aet", "CT1_SCANNER"), asked.get("called", "RELAIS"), asked.get("syntax"), asked.get("max_pdu", 16382))
    association = associations.get(options)
    if association is None:
        ae = AE(ae_title=options[0])
        ae.maximum_pdu_size = options[3]
        ae.dimse_timeout = 60
        for context in (ModalityWorklistInformationFind, Verification):
            ae.add_requested_context(context, SYNTAXES.get(options[2]))
        association = ae.associate("127.0.0.1", port, ae_title=options[1], max_pdu=options[3])
        assert association.is_established, f"the association was refused: {options}"
        associations[options] = association
    print(json.dumps(ask(association, number % 65000 + 1, asked), ensure_ascii=False), flush=True)
for association in associations.values():
    assert association.send_c_echo().Status == 0, "no echo"
    association.release()
