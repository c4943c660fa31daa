"""Reports a performed procedure step as a scanner does (pynetdicom): N-CREATE or N-SET; prints the status."""
import argparse

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("operation", choices=["create", "completed", "discontinued"])
parser.add_argument("uid")
parser.add_argument("--aet", default="CT1_SCANNER")
parser.add_argument("--patient", default="")
parser.add_argument("--name", default="")
parser.add_argument("--accession", default="")
parser.add_argument("--study", default="")
parser.add_argument("--procedure", default="")
parser.add_argument("--step", default="")
args = parser.parse_args()


def creation():
    """The data set of an N-CREATE, PS3.4 Table F.7.2-1."""
    scheduled = Dataset()
    scheduled.StudyInstanceUID = args.study
    scheduled.ReferencedStudySequence = []
    scheduled.AccessionNumber = args.accession
    scheduled.RequestedProcedureID = args.procedure
    scheduled.RequestedProcedureDescription = ""
    scheduled.ScheduledProcedureStepID = args.step
    scheduled.ScheduledProcedureStepDescription = ""
    scheduled.ScheduledProtocolCodeSequence = []
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.ScheduledStepAttributesSequence = [scheduled]
    data.PatientName = args.name
    data.PatientID = args.patient
    data.PatientBirthDate = ""
    data.PatientSex = ""
    data.ReferencedPatientSequence = []
    data.PerformedProcedureStepID = "PPS" + args.step
    data.PerformedStationAETitle = args.aet
    data.PerformedStationName = ""
    data.PerformedLocation = ""
    data.PerformedProcedureStepStartDate = "20260602"
    data.PerformedProcedureStepStartTime = "084700"
    data.PerformedProcedureStepStatus = "IN PROGRESS"
    data.PerformedProcedureStepDescription = ""
    data.PerformedProcedureTypeDescription = ""
    data.ProcedureCodeSequence = []
    data.PerformedProcedureStepEndDate = ""
    data.PerformedProcedureStepEndTime = ""
    data.Modality = "CT"
    data.StudyID = ""
    data.PerformedProtocolCodeSequence = []
    data.PerformedSeriesSequence = []
    return data


def ending():
    """The data set of the last N-SET: two instances of one series, or the reason why there are none."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PerformedProcedureStepStatus = args.operation.upper()
    data.PerformedProcedureStepEndDate = "20260602"
    data.PerformedProcedureStepEndTime = "085900"
    if args.operation == "discontinued":
        reason = Dataset()
        reason.CodeValue = "110501"
        reason.CodingSchemeDesignator = "DCM"
        reason.CodeMeaning = "Equipment failure"
        data.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
        data.PerformedSeriesSequence = []
        return data
    series = Dataset()
    series.PerformingPhysicianName = ""
    series.OperatorsName = ""
    series.ProtocolName = "THORAX"
    series.SeriesInstanceUID = args.study + ".1"
    series.SeriesDescription = "Thorax 1 mm"
    series.RetrieveAETitle = "PACS"
    images = []
    for number in (1, 2):
        image = Dataset()
        image.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        image.ReferencedSOPInstanceUID = f"{args.study}.1.{number}"
        images.append(image)
    series.ReferencedImageSequence = images
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    data.PerformedSeriesSequence = [series]
    return data


ae = AE(ae_title=args.aet)
ae.add_requested_context(ModalityPerformedProcedureStep)
association = ae.associate("127.0.0.1", args.port, ae_title="RELAIS")
assert association.is_established, "the association was refused"
if args.operation == "create":
    status, _ = association.send_n_create(creation(), ModalityPerformedProcedureStep, args.uid)
else:
    status, _ = association.send_n_set(ending(), ModalityPerformedProcedureStep, args.uid)
association.release()
assert status, "no answer"
print(f"status {status.Status:04X}")
