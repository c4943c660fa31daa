"""Asks a worklist as a scanner does (pynetdicom) and prints one JSON object per match, then the final status."""
import argparse
import json

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityWorklistInformationFind

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--aet", default="CT1_SCANNER")
parser.add_argument("--station", default="")
parser.add_argument("--modality", default="")
parser.add_argument("--name", default="")
args = parser.parse_args()

query = Dataset()
query.SpecificCharacterSet = "ISO_IR 192"
query.PatientName = args.name
query.PatientID = ""
query.IssuerOfPatientID = ""
query.PatientBirthDate = ""
query.PatientSex = ""
query.AccessionNumber = ""
query.StudyInstanceUID = ""
query.RequestedProcedureID = ""
query.RequestedProcedureDescription = ""
query.ReferringPhysicianName = ""
step = Dataset()
step.ScheduledStationAETitle = args.station
step.ScheduledProcedureStepStartDate = ""
step.ScheduledProcedureStepStartTime = ""
step.Modality = args.modality
step.ScheduledProcedureStepID = ""
step.ScheduledProcedureStepDescription = ""
query.ScheduledProcedureStepSequence = [step]

ae = AE(ae_title=args.aet)
ae.add_requested_context(ModalityWorklistInformationFind)
association = ae.associate("127.0.0.1", args.port, ae_title="RELAIS")
assert association.is_established, "the association was refused"
final = None
for status, item in association.send_c_find(query, ModalityWorklistInformationFind):
    assert status, "no answer"
    if item is None:
        final = status.Status
        continue
    found = item.ScheduledProcedureStepSequence[0]
    print(
        json.dumps(
            {
                "name": str(item.PatientName),
                "id": item.PatientID,
                "accession": item.AccessionNumber,
                "study": item.StudyInstanceUID,
                "procedure": item.RequestedProcedureID,
                "step": found.ScheduledProcedureStepID,
                "station": found.ScheduledStationAETitle,
                "modality": found.Modality,
                "start": found.ScheduledProcedureStepStartDate + found.ScheduledProcedureStepStartTime,
                "charset": item.get("SpecificCharacterSet", ""),
            },
            ensure_ascii=False,
            default=list,  # several values of one attribute
        )
    )
association.release()
print(f"status {final:04X}")
