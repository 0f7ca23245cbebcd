//! Segment files: their names, and the list of them in a directory.

use std::io;
use std::sync::Arc;

use crate::files::{File, Files, write_zeros};
use crate::format::{HeaderRead, SegmentHeader};

const SUFFIX: &str = ".segment";
const REWRITE_SUFFIX: &str = ".rewrite";

/// The file name of a segment.
pub(crate) fn name_of(number: u32) -> String {
    format!("{number:010}{SUFFIX}")
}

/// The name of what will replace a segment while it is being written.
pub(crate) fn rewrite_name_of(number: u32) -> String {
    format!("{number:010}{REWRITE_SUFFIX}")
}

/// Whether this is what a rewrite that was interrupted has left.
pub(crate) fn is_rewrite(name: &str) -> bool {
    let number = name.strip_suffix(REWRITE_SUFFIX).and_then(|number| number.parse().ok());
    number.is_some_and(|number| rewrite_name_of(number) == name)
}

/// The number in a file name; other names are none of ours.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    let number = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (name_of(number) == name && number > 0).then_some(number)
}

/// A segment file, its header read and checked. It is not kept open: there may be more of them than a process may open.
/// Nor are its holes kept, which may take megabytes: who walks it reads them again.
pub(crate) struct SegmentFile {
    pub(crate) number: u32,
    pub(crate) bytes: u64,
    pub(crate) header: HeaderRead,
}

impl SegmentFile {
    /// The header if it is valid and belongs to this file name.
    pub(crate) fn own_header(&self) -> Option<&SegmentHeader> {
        match &self.header {
            HeaderRead::Valid(header) if header.number == self.number => Some(header),
            _ => None,
        }
    }
}

/// What could not be done while listing.
pub(crate) struct ListError {
    pub(crate) doing: &'static str,
    pub(crate) name: String,
    pub(crate) source: io::Error,
}

/// All segments, ascending, each with its header.
pub(crate) fn list(files: &dyn Files) -> Result<Vec<SegmentFile>, ListError> {
    let fail = |doing, name: &str| {
        let name = name.to_owned();
        move |source| ListError { doing, name, source }
    };
    let names = files.list().map_err(fail("list the directory", "."))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    let mut segments = Vec::with_capacity(numbers.len());
    for number in numbers {
        let name = name_of(number);
        let file = files.open(&name).map_err(fail("open segment", &name))?;
        let bytes = file.size().map_err(fail("read the size of segment", &name))?;
        let mut header =
            SegmentHeader::read(file.as_ref()).map_err(fail("read the header of segment", &name))?;
        if let HeaderRead::Valid(header) = &mut header {
            header.holes = Vec::new();
        }
        segments.push(SegmentFile { number, bytes: bytes.min(u64::from(u32::MAX)), header });
    }
    Ok(segments)
}

/// Why a spare segment could not be made.
pub(crate) enum SpareError {
    Write(io::Error),
    Sync(io::Error),
}

/// Makes the file of a segment that holds only zeros, durable with its name. Repeats what an earlier failed attempt
/// has begun.
pub(crate) fn make_spare(
    files: &dyn Files,
    number: u32,
    zero_bytes: u32,
) -> Result<Arc<dyn File>, SpareError> {
    let name = name_of(number);
    let file = match files.create(&name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => files.open(&name),
        other => other,
    }
    .map_err(SpareError::Write)?;
    write_zeros(file.as_ref(), 0, u64::from(zero_bytes)).map_err(SpareError::Write)?;
    file.sync_data().map_err(SpareError::Sync)?;
    files.sync_dir().map_err(SpareError::Sync)?;
    Ok(file)
}
