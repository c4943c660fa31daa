//! DICOM: bounded data set reader and writer, DIMSE messages, associations over dicom-ul.
