"""Data sets as JSON, for the scripts beside: {keyword or "GGGGEEEE": value}; a value is a text, or a list of objects for a sequence."""
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import Tag


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


def keywords(tags):
    """The names of an AT element of any multiplicity."""
    many = isinstance(tags, (list, tuple)) or hasattr(tags, "append")
    return [keyword_for_tag(tag) for tag in (tags if many else [tags])]
