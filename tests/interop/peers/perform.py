"""Reports performed procedure steps as a scanner does (pynetdicom): one JSON object per line in, one out, in order.

In: {"create": data set} or {"set": data set}, with "uid" (absent: the SCP chooses one), "aet", "charset". One association per AE title.
Out: {"status", "comment", "attributes" (of the Attribute Identifier List), "error_id", "uid"}.
"""
import json
import sys

from datasets import data_set, keywords
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep

port = int(sys.argv[1])
associations = {}
for line in sys.stdin:
    asked = json.loads(line)
    aet = asked.get("aet", "CT1_SCANNER")
    if aet not in associations:
        ae = AE(ae_title=aet)
        ae.add_requested_context(ModalityPerformedProcedureStep)
        associations[aet] = ae.associate("127.0.0.1", port, ae_title="RELAIS")
        assert associations[aet].is_established, "the association was refused"
    ds = data_set(asked["create"] if "create" in asked else asked["set"])
    if asked.get("charset"):
        ds.SpecificCharacterSet = asked["charset"]
    send = associations[aet].send_n_create if "create" in asked else associations[aet].send_n_set
    status, _ = send(ds, ModalityPerformedProcedureStep, asked.get("uid"))
    assert status, "no answer"
    answer = {
        "status": f"{status.Status:04X}",
        "comment": status.get("ErrorComment", ""),
        "attributes": keywords(status.get("AttributeIdentifierList", [])),
        "error_id": f"{status.ErrorID:04X}" if "ErrorID" in status else "",
        "uid": status.get("AffectedSOPInstanceUID", ""),
    }
    print(json.dumps(answer, ensure_ascii=False), flush=True)
for association in associations.values():
    association.release()
