"""A plain Modality Worklist SCP on pynetdicom: every .wl file of a directory in memory, every item looked at for every query.

    python mwl_scp.py DIRECTORY PORT
"""

import pathlib
import sys

from pydicom import DataElement, Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityWorklistInformationFind

KEYS = ("PatientID", "AccessionNumber")
STEP_KEYS = ("ScheduledStationAETitle", "Modality", "ScheduledProcedureStepStartDate")


def texts(data_set):
    """The values of the matching keys, as plain text."""
    sequence = data_set.get("ScheduledProcedureStepSequence")
    step = sequence[0] if sequence else {}
    found = [data_set.get(keyword) for keyword in KEYS] + [step.get(keyword) for keyword in STEP_KEYS]
    return [str(value or "") for value in found]


def load(path):
    item = dcmread(path)
    for _ in item.iterall():
        pass  # every element is decoded here, not in the first query
    return texts(item), item


ITEMS = [load(path) for path in sorted(pathlib.Path(sys.argv[1]).glob("*.wl"))]


def answer(item, asked):
    found = Dataset()
    for element in asked:
        if element.tag not in item:
            found.add(element)
        elif element.VR == "SQ" and element.value:
            found.add(DataElement(element.tag, "SQ", [answer(item[element.tag].value[0], element.value[0])]))
        else:
            found.add(item[element.tag])
    return found


def find(event):
    query = event.identifier
    wanted = [(at, text) for at, text in enumerate(texts(query)) if text]
    for keys, item in ITEMS:
        if all(keys[at] == text for at, text in wanted):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            found = answer(item, query)
            found.SpecificCharacterSet = item.SpecificCharacterSet
            yield 0xFF00, found


ae = AE(ae_title="WL")
ae.maximum_associations = 50
ae.add_supported_context(ModalityWorklistInformationFind)
ae.start_server(("127.0.0.1", int(sys.argv[2])), block=True, evt_handlers=[(evt.EVT_C_FIND, find)])
