"""A plain Modality Worklist SCP on pynetdicom: every .wl file of a directory in memory, every item looked at for every query.

    python mwl_scp.py DIRECTORY PORT
"""

import copy
import pathlib
import sys

from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityWorklistInformationFind

ITEMS = [dcmread(path) for path in sorted(pathlib.Path(sys.argv[1]).glob("*.wl"))]


def step(data_set):
    sequence = data_set.get("ScheduledProcedureStepSequence")
    return sequence[0] if sequence else None


def text(data_set, keyword):
    return str(data_set.get(keyword) or "") if data_set is not None else ""


def matches(item, query):
    for keyword in ("PatientID", "AccessionNumber"):
        wanted = text(query, keyword)
        if wanted and wanted != text(item, keyword):
            return False
    asked, scheduled = step(query), step(item)
    for keyword in ("ScheduledStationAETitle", "Modality", "ScheduledProcedureStepStartDate"):
        wanted = text(asked, keyword)
        if wanted and wanted != text(scheduled, keyword):
            return False
    return True


def answer(item, query):
    found = copy.copy(query)
    found.SpecificCharacterSet = item.SpecificCharacterSet
    for element in query:
        if element.tag == 0x00080005:
            continue
        if element.VR == "SQ" and element.value and element.tag in item:
            found[element.tag] = copy.copy(element)
            found[element.tag].value = [answer_step(element.value[0], item[element.tag].value[0])]
        elif element.tag in item:
            found[element.tag] = item[element.tag]
    return found


def answer_step(asked, scheduled):
    found = copy.copy(asked)
    for element in asked:
        if element.tag in scheduled:
            found[element.tag] = scheduled[element.tag]
    return found


def find(event):
    query = event.identifier
    for item in ITEMS:
        if event.is_cancelled:
            yield 0xFE00, None
            return
        if matches(item, query):
            yield 0xFF00, answer(item, query)


ae = AE(ae_title="WL")
ae.maximum_associations = 50
ae.add_supported_context(ModalityWorklistInformationFind)
ae.start_server(("127.0.0.1", int(sys.argv[2])), block=True, evt_handlers=[(evt.EVT_C_FIND, find)])
