//! A data set in memory: elements in tag order, text already Unicode, binary values as little-endian bytes.
//!
//! [`super::read`] makes it from bytes, [`super::write`] turns it back; everything else in Relais works on this type. Specific
//! Character Set is what the reader found; the writer ignores it and states the one it really used.

use super::dictionary;
pub use super::dictionary::{Tag, Vr};

/// Specific Character Set.
pub const SPECIFIC_CHARACTER_SET: Tag = Tag(0x0008, 0x0005);

/// The values of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Values of a text VR, padding removed; none for a zero-length element.
    Text(Vec<String>),
    /// Value field of a binary VR, little endian.
    Bytes(Vec<u8>),
    /// Items of a sequence.
    Sequence(Vec<DataSet>),
}

impl Content {
    /// True for a zero-length element.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(values) => values.iter().all(String::is_empty),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Sequence(items) => items.is_empty(),
        }
    }
}

/// One data element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub tag: Tag,
    pub vr: Vr,
    pub content: Content,
}

impl Element {
    /// An element of zero length.
    pub fn empty(tag: Tag) -> Self {
        let vr = dictionary::vr_of(tag);
        let content = match vr {
            Vr::SQ => Content::Sequence(vec![]),
            vr if dictionary::traits(vr).text => Content::Text(vec![]),
            _ => Content::Bytes(vec![]),
        };
        Self { tag, vr, content }
    }

    /// Its keyword or `(gggg,eeee)`.
    pub fn name(&self) -> String {
        dictionary::name_of(self.tag)
    }

    /// True if it has no value.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Text values; none for other content.
    pub fn texts(&self) -> &[String] {
        match &self.content {
            Content::Text(values) => values,
            _ => &[],
        }
    }

    /// First text value, if it is not blank.
    pub fn text(&self) -> Option<&str> {
        self.texts()
            .first()
            .map(|v| v.trim_matches([' ', '\0']))
            .filter(|v| !v.is_empty())
    }

    /// Items; none for other content.
    pub fn items(&self) -> &[DataSet] {
        match &self.content {
            Content::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Value bytes of a binary element; none for other content.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// Values of a `US` element.
    pub fn u16s(&self) -> impl Iterator<Item = u16> + '_ {
        self.bytes()
            .chunks_exact(2)
            .filter_map(|c| Some(u16::from_le_bytes(c.try_into().ok()?)))
    }

    /// Values of a `UL` element.
    pub fn u32s(&self) -> impl Iterator<Item = u32> + '_ {
        self.bytes()
            .chunks_exact(4)
            .filter_map(|c| Some(u32::from_le_bytes(c.try_into().ok()?)))
    }

    /// Values of any numeric element (`DS`, `IS` and the binary ones) as canonical decimal text; unreadable ones are left out.
    pub fn numbers(&self) -> Vec<String> {
        fn each<const N: usize, T: ToString>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<String> {
            bytes
                .chunks_exact(N)
                .filter_map(|c| Some(read(c.try_into().ok()?).to_string()))
                .collect()
        }
        match self.vr {
            Vr::US => each(self.bytes(), u16::from_le_bytes),
            Vr::SS => each(self.bytes(), i16::from_le_bytes),
            Vr::UL => each(self.bytes(), u32::from_le_bytes),
            Vr::SL => each(self.bytes(), i32::from_le_bytes),
            Vr::UV => each(self.bytes(), u64::from_le_bytes),
            Vr::SV => each(self.bytes(), i64::from_le_bytes),
            Vr::FL => each(self.bytes(), f32::from_le_bytes),
            Vr::FD => each(self.bytes(), f64::from_le_bytes),
            _ => self
                .texts()
                .iter()
                .map(|t| t.trim().to_owned())
                .filter(|t| t.parse::<f64>().is_ok_and(f64::is_finite))
                .collect(),
        }
    }
}

/// Something odd that the reader mended instead of refusing the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The element.
    pub tag: Tag,
    /// Byte offset of its header in the data set.
    pub offset: usize,
    /// What was odd, without the value.
    pub what: &'static str,
}

/// A data set, or one item of a sequence. Equality ignores the reader's warnings.
#[derive(Debug, Clone, Default)]
pub struct DataSet {
    elements: Vec<Element>,
    warnings: Vec<Warning>,
}

impl PartialEq for DataSet {
    fn eq(&self, other: &Self) -> bool {
        self.elements == other.elements
    }
}

impl Eq for DataSet {}

impl DataSet {
    /// An empty data set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of elements at this level.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The elements in tag order.
    pub fn iter(&self) -> std::slice::Iter<'_, Element> {
        self.elements.iter()
    }

    /// The elements in tag order, to be changed in place; tags must stay.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Element> {
        self.elements.iter_mut()
    }

    /// What the reader mended (root data set only).
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(super) fn set_warnings(&mut self, warnings: Vec<Warning>) {
        self.warnings = warnings;
    }

    /// Bytes of memory that it takes, this struct left out: what a cache counts.
    pub fn heap_bytes(&self) -> usize {
        /// What an allocator adds to a block, about.
        const BLOCK: usize = 16;
        let own = self.elements.capacity() * size_of::<Element>() + BLOCK;
        let values = self.elements.iter().map(|element| match &element.content {
            Content::Text(values) if values.capacity() == 0 => 0,
            Content::Text(values) => {
                let texts = values.iter().filter(|v| v.capacity() > 0);
                values.capacity() * size_of::<String>()
                    + BLOCK
                    + texts.map(|v| v.capacity() + BLOCK).sum::<usize>()
            }
            Content::Bytes(bytes) => bytes.capacity() + BLOCK,
            Content::Sequence(items) => {
                items.capacity() * size_of::<Self>()
                    + BLOCK
                    + items.iter().map(Self::heap_bytes).sum::<usize>()
            }
        });
        own + values.sum::<usize>()
    }

    fn position(&self, tag: Tag) -> Result<usize, usize> {
        self.elements.binary_search_by_key(&tag, |e| e.tag)
    }

    /// The element of a tag.
    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.position(tag).ok().and_then(|at| self.elements.get(at))
    }

    /// The element of a keyword.
    pub fn by_keyword(&self, keyword: &str) -> Option<&Element> {
        self.get(dictionary::tag_of(keyword)?)
    }

    /// First text value of a keyword, without padding; `None` if absent or blank.
    pub fn text(&self, keyword: &str) -> Option<&str> {
        self.by_keyword(keyword)?.text()
    }

    /// All text values of a keyword.
    pub fn texts(&self, keyword: &str) -> &[String] {
        self.by_keyword(keyword).map_or(&[], Element::texts)
    }

    /// The items of a sequence keyword.
    pub fn items(&self, keyword: &str) -> &[DataSet] {
        self.by_keyword(keyword).map_or(&[], Element::items)
    }

    /// Adds or replaces an element, keeping tag order.
    pub fn insert(&mut self, element: Element) {
        match self.elements.last() {
            // Readers and mappings mostly append in order.
            Some(last) if last.tag >= element.tag => match self.position(element.tag) {
                Ok(at) => self.elements[at] = element,
                Err(at) => self.elements.insert(at, element),
            },
            _ => self.elements.push(element),
        }
    }

    /// Adds or replaces the element of a keyword of PS3.6, with the VR of the dictionary. A word that is no keyword is a mistake
    /// of the caller: nothing is stored (and a debug build stops).
    pub fn put(&mut self, keyword: &str, content: Content) {
        let tag = dictionary::tag_of(keyword);
        debug_assert!(tag.is_some(), "{keyword} is no DICOM keyword");
        if let Some(tag) = tag {
            let vr = dictionary::vr_of(tag);
            self.insert(Element { tag, vr, content });
        }
    }

    /// Adds or replaces a single text value; the empty text gives a zero-length element.
    pub fn put_text(&mut self, keyword: &str, text: &str) {
        let values = if text.is_empty() {
            vec![]
        } else {
            vec![text.to_owned()]
        };
        self.put(keyword, Content::Text(values));
    }

    /// Adds or replaces a sequence.
    pub fn put_items(&mut self, keyword: &str, items: Vec<DataSet>) {
        self.put(keyword, Content::Sequence(items));
    }

    /// Takes an element out.
    pub fn remove(&mut self, tag: Tag) -> Option<Element> {
        self.position(tag).ok().map(|at| self.elements.remove(at))
    }
}

impl FromIterator<Element> for DataSet {
    fn from_iter<I: IntoIterator<Item = Element>>(elements: I) -> Self {
        let mut ds = Self::new();
        for element in elements {
            ds.insert(element);
        }
        ds
    }
}

impl<'a> IntoIterator for &'a DataSet {
    type Item = &'a Element;
    type IntoIter = std::slice::Iter<'a, Element>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for DataSet {
    type Item = Element;
    type IntoIter = std::vec::IntoIter<Element>;
    fn into_iter(self) -> Self::IntoIter {
        self.elements.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stand_in_tag_order_and_once() {
        let mut ds = DataSet::new();
        ds.put_text("PatientID", "IPP1");
        ds.put_text("AccessionNumber", "A1");
        ds.put_text("PatientName", "Martin^Zoé");
        ds.put_text("PatientID", "IPP2");
        assert_eq!(
            ds.iter().map(Element::name).collect::<Vec<_>>(),
            ["AccessionNumber", "PatientName", "PatientID"]
        );
        assert_eq!(ds.text("PatientID"), Some("IPP2"));
        assert_eq!(ds.text("PatientSex"), None);
        ds.remove(Tag(0x0010, 0x0020));
        assert_eq!(ds.len(), 2);
    }

    #[test]
    fn numbers_are_read_from_text_and_binary() {
        let mut ds = DataSet::new();
        ds.put("PregnancyStatus", Content::Bytes(vec![4, 0]));
        ds.put("PatientWeight", Content::Text(vec!["72.5".into()]));
        let of = |k: &str| ds.by_keyword(k).map(Element::numbers);
        assert_eq!(of("PregnancyStatus"), Some(vec!["4".to_owned()]));
        assert_eq!(of("PatientWeight"), Some(vec!["72.5".to_owned()]));
    }
}
