"""Asks worklist queries as a scanner does (pynetdicom): one JSON object per line in, one out, in order.

In: {"query": data set, ...}. Options of a query:
"aet", "called", "syntax" ("implicit", "explicit"), "max_pdu", "cancel_after" (C-CANCEL after so many matches), "charset".
Queries with equal association options share one association, which is released at the end.
Out: {"status", "pending", "comment", "offending", "items"}; attributes of items by keyword, in the order received.
"""
import json
import sys

from datasets import data_set, keywords, plain
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind, Verification

SYNTAXES = {"implicit": [ImplicitVRLittleEndian], "explicit": [ExplicitVRLittleEndian]}


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
            answer["offending"] = keywords(status.get("OffendingElement", []))
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
